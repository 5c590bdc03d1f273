"""Run a scenario in the model: replications with independent draws, over an Executor, into one Run."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import simpy

from sim.analysis.utilization import usage
from sim.analysis.warmup import with_warmup
from sim.cluster import in_order
from sim.data.run import Run
from sim.data.schema import ATTEMPTS, REQUESTS, TIMELINE
from sim.data.spill import RowKeeper
from sim.data.table import Columns, Rows, Table
from sim.engines import choose
from sim.gateway.assembled import Gateway, target_names
from sim.invariants import Replication, hold
from sim.precision import MINIMUM, MOST, to_precision
from sim.provider.behaviour import ProviderState
from sim.requests import play_agents, play_closed, requests_of
from sim.rows import joined, request_rows
from sim.scenario.model import Closed, Scenario
from sim.scenario.size import expected_requests
from sim.stochastics.random_streams import replication_seed
from sim.workload.closed import ClosedWorkload
from sim.workload.schedule import build_schedule
from sim.world import SimPyWorld

Job = tuple[Scenario, float, int, int]
"""Scenario, scale, seed of the run, number of the replication."""

DEFAULT_REPLICATIONS = 10
SAMPLES = 1200  # of the timeline, at most; never more often than once a second


class Part(NamedTuple):
    """One replication: its rows as in Run, and the requests that each rate limit refused."""

    requests: Rows
    attempts: Rows
    timeline: np.ndarray
    events: list[dict[str, Any]]
    limited: dict[str, int]


def predict(
    scenario: Scenario,
    scale: float = 1.0,
    replications: int = DEFAULT_REPLICATIONS,
    seed: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
    engine: str = "auto",
    keeper: RowKeeper | None = None,
) -> Run:
    """Predict ``scenario`` at ``scale`` times its arrival rate; ``progress`` is told how many replications are done.

    Replication r draws from ``replication_seed(seed, r)``, whoever runs it, so the result does not depend on the executor.
    ``engine``: see ``sim.engines.choose``, which raises ScenarioError for a scenario that the engine asked for cannot run.
    ``keeper``: where the rows go (default: one of its own), so that several runs share one memory.
    """
    started_s = time.perf_counter()
    seed = scenario.seed if seed is None else seed
    chosen = choose(engine, scenario, scale, replications).engine
    parts = simulate(chosen, scenario, scale, seed, range(replications), executor, progress, keeper or RowKeeper())
    return as_run(chosen, scenario, scale, seed, parts, time.perf_counter() - started_s)


def predict_to_precision(
    scenario: Scenario,
    precision: float,
    scale: float = 1.0,
    seed: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
    engine: str = "auto",
    most: int = MOST,
    keeper: RowKeeper | None = None,
) -> Run:
    """As many replications as it takes to know the figures of ``sim.precision`` to within ``precision`` (0.02: 2 %), ``most`` at most."""
    started_s = time.perf_counter()
    seed = scenario.seed if seed is None else seed
    least = min(MINIMUM, most)
    chosen = choose(engine, scenario, scale, least).engine
    parts: list[Part] = []
    keeper = keeper or RowKeeper()

    def run_first(replications: int) -> Run:
        parts.extend(simulate(chosen, scenario, scale, seed, range(len(parts), replications), executor, progress, keeper))
        return as_run(chosen, scenario, scale, seed, parts, time.perf_counter() - started_s)

    run, reached = to_precision(precision, run_first, least, most)
    return replace(run, precision=reached)


def simulate(
    engine: str,
    scenario: Scenario,
    scale: float,
    seed: int,
    replications: range,
    executor: Executor | None,
    progress: Callable[[int], None] | None,
    keeper: RowKeeper,
) -> list[Part]:
    """The replications asked for, their rows where ``keeper`` keeps them; ``progress`` is told the number of the last one done, from 1."""
    work = replicator(engine, scenario)
    jobs = [(scenario, scale, seed, replication) for replication in replications]
    parts: list[Part] = []
    for part in map(work, jobs) if executor is None else in_order(executor, work, jobs, at_once(scenario, scale, keeper)):
        if not parts:  # a run that will not fit is spilled from its start
            fits = keeper.has_room(len(part.requests) * len(jobs))
        keep = keeper.hold if fits and keeper.has_room(len(part.requests)) else keeper.spill
        requests, attempts = keep(part.requests, part.attempts)
        parts.append(part._replace(requests=requests, attempts=attempts))
        del part  # or its rows would stand there until the next is done
        if progress is not None:
            progress(replications.start + len(parts))
    return parts


def at_once(scenario: Scenario, scale: float, keeper: RowKeeper) -> int:
    """Replications to have under way or waiting to be taken: half of what memory holds, so that workers do not run ahead of the disk."""
    return max(2, int(keeper.most / 2 / max(1.0, expected_requests(scenario, scale))))


def as_run(engine: str, scenario: Scenario, scale: float, seed: int, parts: list[Part], wall_s: float) -> Run:
    """The parts as one Run."""
    requests = Table([part.requests for part in parts], REQUESTS)
    run = Run(
        kind="prediction",
        scenario=with_warmup(scenario, requests),
        scale=scale,
        seed=seed,
        engine=engine,
        replications=len(parts),
        targets=target_names(scenario),
        requests=requests,
        attempts=Table([part.attempts for part in parts], ATTEMPTS),
        timeline=joined([part.timeline for part in parts]),
        events=[event for part in parts for event in part.events],
        limited={by: sum(part.limited[by] for part in parts) for by in parts[0].limited},
        wall_s=wall_s,
    )
    return add_usage(run)


def replicator(engine: str, scenario: Scenario) -> Callable[[Job], Part]:
    """What runs one replication in that engine; compiled already, so that workers find it on disk."""
    if engine == "simpy":
        return replicate
    from sim.compiled import replicate as compiled
    from sim.compiled.used import is_bare

    compiled.prepare(is_bare(scenario))
    return compiled.replicate


def add_usage(run: Run) -> Run:
    """Fill ``run.usage``: see ``sim.analysis.utilization``."""
    counted = Columns(run.requests, run.requests["arrival_s"] >= run.warmup_s)
    attempts = Columns(run.attempts, run.attempts["started_s"] >= run.warmup_s)
    span_s = (run.scenario.workload.duration - run.warmup_s) * run.replications
    run.usage.extend(usage(run.scenario, span_s, counted, attempts, run.targets, run.limited))
    return run


def replicate(job: Job) -> Part:
    """One replication: its request rows, attempt rows, timeline rows, events, and requests refused by each rate limit.

    Raises InvariantViolated where the model contradicts itself.
    """
    scenario, scale, first_seed, replication = job
    seed = replication_seed(first_seed, replication)
    gateway = Gateway(scenario, seed)
    providers = {name: ProviderState(scenario, name, seed) for name in scenario.providers}
    world = SimPyWorld(gateway, providers, scenario.gateway.workers, scenario.workload.client)
    timeline: list[tuple[float, int, int, int]] = []
    duration_s = scenario.workload.duration
    arrivals: Iterator[float] = iter(())
    if isinstance(scenario.workload.arrivals, Closed):
        play_closed(world, ClosedWorkload(scenario, scale, replication, first_seed), scenario, seed)
    else:
        schedule = build_schedule(scenario, scale, replication, first_seed)
        duration_s = schedule.duration_s
        if scenario.workload.waits_for_answers:
            play_agents(world, schedule, scenario, seed)
        else:
            arrivals = world.play(requests_of(schedule, scenario, seed))
    world.process(sample(world, duration_s, timeline))
    with no_garbage_collection():
        world.run_dry(arrivals)
    rows, inside_s = request_rows(world.requests, scenario, replication)
    attempts = world.attempts.table(replication)
    samples = np.array([(replication, *row) for row in timeline], TIMELINE)
    return part_of(job, Replication(rows, attempts, inside_s, world.inside, gateway, providers, samples), "simpy")


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """A run leaves rows and no cycles of references: going through its objects again and again would find nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def part_of(job: Job, done: Replication, engine: str) -> Part:
    """What a replication that ``engine`` ran leaves, once its invariants hold."""
    _, scale, first_seed, replication = job
    seed = replication_seed(first_seed, replication)
    options = f"--scale {repr(scale).removesuffix('.0')} --seed {seed} --replications 1 --engine {engine}"
    hold(done, replay=f"tenfold predict with the same scenario and changes to it, {options}")
    events: list[dict[str, Any]] = [
        {"at_s": at_s, "replication": replication, "event": "breaker", "target": target, "state": state}
        for at_s, target, state in done.gateway.breaker_moves
    ]
    limiters = (("global", done.gateway.overall), ("per_user", done.gateway.per_user))
    limited = {by: limiter.refused if limiter is not None else 0 for by, limiter in limiters}
    return Part(done.requests, done.attempts, done.samples, events, limited)


def sampling(duration_s: float) -> tuple[int, float]:
    """How many samples a timeline has, and the seconds between them."""
    every_s = max(1.0, duration_s / SAMPLES)
    return int(duration_s / every_s) + 1, every_s


def sample(world: SimPyWorld, duration_s: float, timeline: list[tuple[float, int, int, int]]) -> Generator[simpy.Event, Any, None]:
    """A native SimPy process: the state of the queue and the breakers, at regular times."""
    count, every_s = sampling(duration_s)
    admission, targets = world.gateway.admission, world.gateway.targets
    for number in range(count):
        yield world.timeout(number * every_s - world.now_s)
        in_service = admission.in_service if admission else sum(target.in_flight for target in targets)
        opened = sum(target.breaker is not None and target.breaker.state != 0 for target in targets)
        timeline.append((world.now_s, admission.waiting if admission else 0, in_service, opened))
