"""What clients send in the model: the workload's requests, with all that is drawn for each before it is served."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from sim.coroutines import Life
from sim.gateway.request import INFINITY, Request
from sim.scenario.distributions import Constant, Distribution
from sim.scenario.model import Scenario
from sim.stochastics.distributions import quantile
from sim.stochastics.random_streams import Purpose, uniforms
from sim.workload.chains import chains_of
from sim.workload.closed import ClosedWorkload
from sim.workload.schedule import Schedule
from sim.world import SimPyWorld

DEFAULT_REDIS_LOOKUP_S = 0.001
BLOCK = 1024  # requests made at once


def requests_of(schedule: Schedule, scenario: Scenario, seed: int) -> Iterator[Request]:
    """The schedule's rows as Request objects, made in blocks as they are needed."""
    needs = [each.needs for each in scenario.workload.requests]
    priority = [each.priority for each in scenario.workload.requests]
    tokens = schedule.history_tokens

    def block(start: int) -> Iterator[Request]:
        stop = min(start + BLOCK, len(schedule))
        columns = (
            schedule.arrival_s, schedule.kind, schedule.user, schedule.conversation, schedule.turn, schedule.prompt, schedule.input_tokens,
            schedule.output_tokens, schedule.history_start, schedule.history_turns,
        )  # fmt: skip
        *known, first, turns = (column[start:stop].tolist() for column in columns)
        kinds = known[1]
        history = [tokens[at : at + count].tolist() if count else () for at, count in zip(first, turns, strict=True)]
        cpu_s, lookup_s = work_of(scenario, seed, start, stop)
        patience_s = patience_of(scenario, seed, start, stop)
        return map(
            Request, range(start, stop), *known, [needs[kind] for kind in kinds], history, cpu_s, lookup_s,
            [priority[kind] for kind in kinds], patience_s,
        )  # fmt: skip

    return chain.from_iterable(map(block, range(0, len(schedule), BLOCK)))


def play_closed(world: SimPyWorld, workload: ClosedWorkload, scenario: Scenario, seed: int) -> None:
    """Start every client: it thinks, asks, waits for the answer (or leaves), and starts over until the run's time is up."""
    needs = [each.needs for each in scenario.workload.requests]
    priority = [each.priority for each in scenario.workload.requests]

    async def think(client: int, n: int) -> None:
        await world.sleep(workload.think_s(client, n))
        if world.now_s > workload.duration_s:
            return
        kind, user, conversation, turn, prompt, inputs, outputs, _ = workload.request(client, n)
        (cpu_s,), (lookup_s,) = work_of(scenario, seed, conversation, conversation + 1)
        (patience_s,) = patience_of(scenario, seed, conversation, conversation + 1)
        request = Request(
            conversation, world.now_s, kind, user, conversation, turn, prompt, inputs, outputs, needs[kind], (), cpu_s, lookup_s,
            priority[kind], patience_s,
        )  # fmt: skip
        world.arrive(request, lambda: world.start(Life(think(client, n + 1))))

    for client in range(workload.clients):
        world.start(Life(think(client, 0)))


def play_agents(world: SimPyWorld, schedule: Schedule, scenario: Scenario, seed: int) -> None:
    """Conversations that go on when the answer is there, or the failure. What would be sent after the run's time is not."""
    requests = list(requests_of(schedule, scenario, seed))
    chains = chains_of(schedule)
    following, think_s = chains.following.tolist(), chains.think_s.tolist()

    def send(number: int) -> None:
        request, then = requests[number], following[number]
        request.arrival_s = world.now_s
        world.arrive(request, None if then < 0 else lambda: world.start(Life(go_on(then))))

    async def go_on(number: int) -> None:
        await world.sleep(think_s[number])
        if world.now_s < schedule.duration_s:
            send(number)

    async def begin() -> None:
        for number in np.flatnonzero(chains.begins).tolist():
            await world.sleep(requests[number].arrival_s - world.now_s)
            send(number)

    world.start(Life(begin()))


def work_of(scenario: Scenario, seed: int, start: int, stop: int) -> tuple[list[float], list[float]]:
    """The gateway's own CPU time and session look-up time of requests ``start`` to ``stop``."""
    none = [0.0] * (stop - start)
    cpu_s = drawn(scenario.gateway.cpu_per_request, seed, Purpose.CPU, start, stop).tolist()
    lookup_s = drawn(lookup_law(scenario), seed, Purpose.SESSION_LOOKUP, start, stop).tolist()
    return cpu_s or none, lookup_s or none


def patience_of(scenario: Scenario, seed: int, start: int, stop: int) -> list[float]:
    """How long the clients of requests ``start`` to ``stop`` wait in the admission queue before they leave."""
    patience_s = drawn(scenario.workload.client.patience, seed, Purpose.PATIENCE, start, stop).tolist()
    return patience_s or [INFINITY] * (stop - start)


def drawn(law: Distribution | None, seed: int, purpose: Purpose, start: int, stop: int) -> np.ndarray:
    """One value of ``law`` for each of the requests ``start`` to ``stop``; empty without a law."""
    return np.zeros(0) if law is None else quantile(law, uniforms(seed, purpose, np.arange(start, stop)))


def lookup_law(scenario: Scenario) -> Distribution | None:
    """How long it takes to look a session up; None for at once."""
    sessions = scenario.gateway.sessions
    if sessions is None:
        return None
    if sessions.lookup is not None:
        return sessions.lookup
    return Constant(kind="constant", value=DEFAULT_REDIS_LOOKUP_S) if sessions.store == "redis" else None
