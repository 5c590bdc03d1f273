"""Coroutines and native SimPy processes share one clock."""

from __future__ import annotations

import simpy

from sim.coroutines import CoroutineEnvironment, Life, pause
from sim.policy.admission import Ticket


def test_native_processes_and_coroutines_interleave_in_time():
    env, said = CoroutineEnvironment(), []

    def native():
        for _ in range(3):
            yield env.timeout(1.0)
            said.append(("native", env.now))

    async def plain():
        for _ in range(3):
            await pause(1.0)
            said.append(("coroutine", env.now))

    env.process(native())
    env.start(Life(plain()))
    env.run()
    assert said == [(who, at_s) for at_s in (1.0, 2.0, 3.0) for who in ("native", "coroutine")]


def test_native_resources_still_work():
    env, ended = CoroutineEnvironment(), []
    server = simpy.Resource(env, 1)

    def job():
        with server.request() as slot:
            yield slot
            yield env.timeout(2.0)
        ended.append(env.now)

    env.process(job())
    env.process(job())
    env.run(until=10.0)
    assert ended == [2.0, 4.0]
    assert env.now == 10.0


def waiting(env, ticket, timeout_s, said):
    async def life():
        await wait(env, ticket, timeout_s)
        said.append((ticket.granted, env.now))

    return life()


class wait:
    def __init__(self, env, ticket, timeout_s):
        self.arguments = env, ticket, timeout_s

    def __await__(self):
        env, ticket, timeout_s = self.arguments
        env.park(ticket, timeout_s)
        yield None


def test_a_ticket_is_woken_or_times_out_never_both():
    env, said = CoroutineEnvironment(), []
    woken, late = Ticket(), Ticket()
    env.start(Life(waiting(env, woken, 5.0, said)))
    env.start(Life(waiting(env, late, 2.0, said)))

    async def granter():
        await pause(1.0)
        woken.granted = True
        env.wake(woken)
        await pause(2.0)
        env.wake(late)  # too late: nobody waits any more

    env.start(Life(granter()))
    env.run_dry()
    assert said == [(True, 1.0), (False, 2.0)]


def test_a_life_whose_client_leaves_is_closed_where_it_waits():
    env, said = CoroutineEnvironment(), []

    async def life():
        try:
            await pause(10.0)
            said.append("finished")
        finally:
            said.append(("closed", env.now))

    env.start(Life(life(), leaves_s=4.0, on_end=lambda: said.append("gone")))
    env.run_dry()
    assert said == [("closed", 4.0), "gone"]
