"""One replication in the SimPy world: the same job and the same Part as of any engine."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import simpy

from sim.data.schema import TIMELINE
from sim.engine.invariants import Replication
from sim.engine.replication import Job, Part, part_of, sampling
from sim.engine.row_log import request_rows
from sim.gateway.assembled import Gateway
from sim.provider.behaviour import ProviderState
from sim.requests import play_agents, play_closed, requests_of
from sim.scenario.model import Closed
from sim.stochastics.random_streams import replication_seed
from sim.workload.closed import ClosedWorkload
from sim.workload.schedule import build_schedule
from sim.world import SimPyWorld


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


def sample(world: SimPyWorld, duration_s: float, timeline: list[tuple[float, int, int, int]]) -> Generator[simpy.Event, Any, None]:
    """A native SimPy process: the state of the queue and the breakers, at regular times."""
    count, every_s = sampling(duration_s)
    admission, targets = world.gateway.admission, world.gateway.targets
    for number in range(count):
        yield world.timeout(number * every_s - world.now_s)
        in_service = admission.in_service if admission else sum(target.in_flight for target in targets)
        opened = sum(target.breaker is not None and target.breaker.state != 0 for target in targets)
        timeline.append((world.now_s, admission.waiting if admission else 0, in_service, opened))
