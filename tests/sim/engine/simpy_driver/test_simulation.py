"""Calls on SimPy's clock: beside native processes, in order at one instant, and out when their clients leave."""

from __future__ import annotations

from dataclasses import astuple
from math import inf
from typing import Any

import numpy as np
import pytest
import simpy

from sim.data.outcomes import NAMES
from sim.engine.row_log import in_order
from sim.engine.simpy_driver import simulation as driver
from sim.engine.simpy_driver.simulation import Simulation
from sim.gateway import chain
from sim.provider.build import build as build_providers
from tests.sim.tiny import scenario, serve_all

QUEUE = {"queue": {"concurrency": 1, "waiting": 9}}
EVERY_SECOND = [float(second) for second in range(5)]


class Logged(Simulation):
    """Writes down when calls arrive and when they end."""

    def __init__(self, g: Any, p: Any) -> None:
        super().__init__(g, p)
        self.log: list[tuple[str, int, float]] = []

    def arrive(self, request: Any) -> None:
        self.log.append(("arrives", request[2], self.now_s))
        super().arrive(request)

    def call_ended(self, c: Any) -> None:
        if c.parent < 0:
            self.log.append((NAMES[c.outcome], c.request, round(self.now_s, 9)))
        super().call_ended(c)


def simulation(**changes: Any) -> Logged:
    made = scenario(**changes)
    g = chain.build(made, 1)
    return Logged(g, build_providers(made, 1, g.calls, g.ready))


def requests(*times_s: float, leaves_after_s: float = inf, **fields: Any) -> list[Any]:
    own = {"prompt_tokens": 10, "answer_tokens": 5} | fields
    return [
        astuple(chain.Request(arrival_s=at_s, leaves_s=at_s + leaves_after_s, request=number, prompt=number, **own))
        for number, at_s in enumerate(times_s)
    ]


def run(env: Logged, played: list[Any]) -> list[str]:
    env.play(played)
    return [NAMES[outcome] for outcome in in_order(env.requests.table())["outcome"].tolist()]


class TestNative:
    """It is a ``simpy.Environment``: processes and resources of SimPy's own run beside the calls."""

    def test_native_processes_and_calls_interleave_in_time(self):
        env = simulation()
        said: list[float] = []

        def native():
            for _ in range(3):
                yield env.timeout(0.75)
                said.append(env.now)
                env.log.append(("native", -1, env.now))

        env.process(native())
        env.play(requests(0.5, 1.0))
        assert said == [0.75, 1.5, 2.25]
        assert [(what, at_s) for what, _, at_s in env.log] == [
            ("arrives", 0.5), ("native", 0.75), ("arrives", 1.0), ("native", 1.5), ("ok", 1.5), ("ok", 2.0), ("native", 2.25),
        ]  # fmt: skip

    def test_a_native_process_precedes_calls_at_one_instant(self):
        env = simulation()

        def native():
            for _ in range(2):
                yield env.timeout(1.0)
                env.log.append(("native", -1, env.now))

        env.process(native())
        env.play(requests(0.0, 1.0))
        assert [what for what, _, at_s in env.log if at_s == 1.0] == ["native", "ok", "arrives"]
        assert [what for what, _, at_s in env.log if at_s == 2.0] == ["native", "ok"]

    def test_native_resources_still_work(self):
        env, ended = simulation(), []
        server = simpy.Resource(env, 1)

        def job():
            with server.request() as slot:
                yield slot
                yield env.timeout(2.0)
            ended.append(env.now)

        env.process(job())
        env.process(job())
        env.play(requests(1.0, 3.0))
        assert ended == [2.0, 4.0]
        assert env.now == env.now_s == 4.0

    def test_the_timer_of_a_stage_is_a_native_process(self):
        env = simulation()
        ticks: list[float] = []

        def tick(g: Any, now_s: float) -> float:
            ticks.append(now_s)
            return now_s + 1.0 if now_s < 2.0 else inf

        env.g.timers = (tick,)
        env.process(env.keep_time(0))
        env.play(requests(0.0))
        assert ticks == [0.0, 1.0, 2.0]


class TestTies:
    """What happens at one instant has an order."""

    def test_what_is_due_at_the_time_of_an_arrival_comes_before_it(self):
        """The slot that becomes free at 1 s is there for the call that arrives then."""
        assert run(simulation(gateway={"queue": {"concurrency": 1}}), requests(0.0, 1.0)) == ["ok", "ok"]

    def test_calls_that_were_woken_go_on_before_the_next_event(self):
        """Both attempts end at 1 s. The call that the first end lets in begins before the second end."""
        env = simulation(gateway={"queue": {"concurrency": 2, "waiting": 9}})
        run(env, requests(0.0, 0.0, 0.25, 0.5))
        started = env.attempts.table()
        assert started["request"].tolist() == [0, 1, 2, 3]
        assert started["started_s"].tolist() == [0.0, 0.0, 1.0, 1.0]
        ends = [(what, number) for what, number, at_s in env.log if at_s == 1.0]
        assert ends == [("ok", 0), ("ok", 1)]

    def test_the_first_woken_goes_on_first(self):
        """Four wait for the answer to their prompt; those that come back ask the queue in their order."""
        env = simulation(gateway={"cache": [{"kind": "exact", "ttl": "0s"}], "queue": {"concurrency": 1, "waiting": 0}})
        same = [list(request) for request in requests(0.0, 0.25, 0.5, 0.75)]
        place = list(chain.Request.__slots__).index("prompt")
        for request in same:
            request[place] = 7
        assert run(env, [tuple(request) for request in same]) == ["ok", "ok", "ok", "ok"]
        assert [(number, at_s) for what, number, at_s in env.log if what == "ok"] == [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]

    @pytest.mark.parametrize("hedge", [None, {"after": "500ms", "at_most": 1.0}, {"after": "2s"}])
    @pytest.mark.parametrize(("leaves_after_s", "outcome"), [(0.999, "abandoned"), (1.0, "abandoned"), (1.001, "ok")])
    def test_a_client_whose_time_is_up_has_left_even_if_an_answer_comes_then(self, leaves_after_s, outcome, hedge):
        env = simulation(gateway={"hedge": hedge})
        assert run(env, requests(0.0, leaves_after_s=leaves_after_s)) == [outcome]
        assert all(target.in_flight == 0 for target in env.g.targets.values())

    def test_a_client_that_leaves_a_line_at_the_moment_its_turn_comes_has_left(self):
        env = simulation(gateway=QUEUE)
        played = requests(0.0) + [tuple(request) for request in requests(0.0, 0.0, leaves_after_s=1.0)[1:]]
        assert run(env, played) == ["ok", "abandoned"]
        assert (env.g.admission.in_service, env.g.admission.waiting) == (0, 0)

    def test_a_timer_that_was_set_for_a_wait_that_is_over_is_void(self):
        """The queue's timeout falls into the attempt of the call that waited."""
        env = simulation(gateway={"queue": {"concurrency": 1, "waiting": 9, "timeout": "1500ms"}})
        assert run(env, requests(0.0, 0.0)) == ["ok", "ok"]


def test_the_number_of_calls_inside_is_integrated_over_time():
    env = simulation(gateway=QUEUE)
    run(env, requests(0.0, 0.5, 0.5))
    rows = env.requests.table()
    assert (env.entered, env.left) == (3, 3)
    assert env.area_s == pytest.approx(rows["latency_s"].sum())


def test_slots_of_calls_that_have_ended_are_taken_again():
    env = simulation()
    run(env, requests(*EVERY_SECOND))
    assert (len(env.g.calls), env.g.free) == (1, [0])


def test_the_loop_with_its_look_ups_written_out_leaves_the_rows_of_the_original(monkeypatch):
    """``driver.advance`` against ``chain.advance``, over a gateway of all stages under load."""
    gateway = {
        "limits": {"global": {"requests": "9/s"}}, "cpu_per_request": {"kind": "exponential", "mean": "20ms"},
        "sessions": {"store": "redis"}, "timeout": {"first_token": "2s", "total": "4s"}, "cache": [{"kind": "exact", "ttl": "2s"}],
        "queue": {"concurrency": 4, "waiting": 6, "timeout": "1s"}, "retry": {"attempts": 3}, "hedge": {"after": "1s", "at_most": 0.5},
        "breaker": {"window_size": 5, "minimum_calls": 5, "open_for": "2s", "half_open_calls": 1},
        "fallback": ["next-provider", "stale-cache", "canned"], "fallback_on": ["error", "timeout", "rate_limited"],
    }  # fmt: skip
    model = {"latency": {"kind": "exponential", "mean": "800ms"}, "price": {"input": 1, "output": 2}}
    a = {"models": {"one": model}, "errors": {"rate": 0.3, "status": 503}}
    made = scenario(gateway=gateway, a=a, client={"timeout": "3s"})
    arrivals = np.cumsum(np.random.default_rng(3).exponential(0.1, 600)).tolist()
    asked = [{"arrival_s": at_s, "prompt": number % 40, "user": number % 7} for number, at_s in enumerate(arrivals)]
    written_out = serve_all(made, asked)
    monkeypatch.setattr(driver, "advance", chain.advance)
    original = serve_all(made, asked)
    assert written_out.rows.tobytes() == original.rows.tobytes()
    assert written_out.attempts.tobytes() == original.attempts.tobytes()
    assert {"ok", "cache_hit", "stale", "canned", "rejected", "abandoned"} <= set(written_out.outcomes)
