"""Run a scenario in the model: replications with independent draws, over an Executor, into one Run."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace

from sim.analysis.utilization import add_usage
from sim.analysis.warmup import with_warmup
from sim.data.run import Run
from sim.data.spill import RowKeeper
from sim.data.table import Table
from sim.engine.executors import in_order
from sim.engine.replication import Job, Part
from sim.engine.row_log import joined
from sim.engine.selection import choose
from sim.engine.sequential_stopping import MINIMUM, MOST, to_precision
from sim.engine.simpy_driver.replicate import replicate
from sim.scenario.model import Scenario
from sim.scenario.size import expected_requests
from sim.scenario.targets import target_names

DEFAULT_REPLICATIONS = 10


def predict(
    scenario: Scenario,
    scale: float = 1.0,
    replications: int = DEFAULT_REPLICATIONS,
    seed: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, Part], None] | None = None,
    engine: str = "auto",
    keeper: RowKeeper | None = None,
) -> Run:
    """Predict ``scenario`` at ``scale`` times its arrival rate; ``progress`` is told how many replications are done, and the last of them.

    Replication r draws from ``replication_seed(seed, r)``, whoever runs it, so the result does not depend on the executor.
    ``engine``: see ``sim.engine.selection.choose``, which raises ScenarioError for a scenario that the engine asked for cannot run.
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
    progress: Callable[[int, Part], None] | None = None,
    engine: str = "auto",
    most: int = MOST,
    keeper: RowKeeper | None = None,
) -> Run:
    """As many replications as it takes, ``most`` at most, to know the figures of ``sim.engine.sequential_stopping`` to within
    ``precision`` (0.02: 2 %).
    """
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
    progress: Callable[[int, Part], None] | None,
    keeper: RowKeeper,
) -> list[Part]:
    """The replications asked for, their rows where ``keeper`` keeps them; ``progress`` is told how many are done, and the last of them."""
    work = replicator(engine, scenario)
    jobs = [(scenario, scale, seed, replication) for replication in replications]
    parts: list[Part] = []
    for part in map(work, jobs) if executor is None else in_order(executor, work, jobs, at_once(scenario, scale, keeper)):
        if not parts:  # a run that will not fit is spilled from its start
            fits = keeper.has_room(len(part.requests) * len(jobs))
        keep = keeper.hold if fits and keeper.has_room(len(part.requests)) else keeper.spill
        requests, attempts = keep(part.requests, part.attempts)
        parts.append(part._replace(requests=requests, attempts=attempts))
        if progress is not None:
            progress(replications.start + len(parts), part)
        del part  # or its rows would stand there until the next is done
    return parts


def at_once(scenario: Scenario, scale: float, keeper: RowKeeper) -> int:
    """Replications to have under way or waiting to be taken: half of what memory holds, so that workers do not run ahead of the disk."""
    return max(2, int(keeper.most / 2 / max(1.0, expected_requests(scenario, scale))))


def as_run(engine: str, scenario: Scenario, scale: float, seed: int, parts: list[Part], wall_s: float) -> Run:
    """The parts as one Run."""
    requests = Table([part.requests for part in parts])
    run = Run(
        kind="prediction",
        scenario=with_warmup(scenario, requests),
        scale=scale,
        seed=seed,
        engine=engine,
        replications=len(parts),
        targets=target_names(scenario),
        requests=requests,
        attempts=Table([part.attempts for part in parts]),
        timeline=joined([part.timeline for part in parts]),
        events=[event for part in parts for event in part.events],
        refusals={code: name for part in parts for code, name in sorted(part.refusals.items())},
        wall_s=wall_s,
    )
    return add_usage(run)


def replicator(engine: str, scenario: Scenario) -> Callable[[Job], Part]:
    """What runs one replication in that engine; compiled already, so that workers find it on disk."""
    if engine == "simpy":
        return replicate
    from sim.engine.compiled_driver.replicate import prepare
    from sim.engine.compiled_driver.replicate import replicate as replicate_compiled

    prepare(scenario)
    return replicate_compiled
