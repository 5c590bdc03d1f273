"""One replication on SimPy's clock: the same job and the same Part as of any engine."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import simpy

from sim.data.schema import TIMELINE
from sim.engine.replication import Inside, Job, Part, Simulated, part_of
from sim.engine.requests import FIELDS, RequestMaker, gives_up_after_s
from sim.engine.row_log import in_order
from sim.engine.sampling import look, sampling
from sim.engine.simpy_driver.simulation import Simulation
from sim.gateway import chain
from sim.provider.build import build as build_providers
from sim.scenario.model import Closed, Scenario
from sim.stochastics.random_streams import replication_seed
from sim.workload.client_retries import RetryingClients, sendings_of, with_retries
from sim.workload.schedule import Schedule, build_schedule
from sim.workload.waiting import Agents, ClosedClients


def replicate(job: Job) -> Part:
    """One replication. Raises InvariantViolated where the model contradicts itself."""
    return part_of(job, simulate(job), "simpy")


def simulate(job: Job) -> Simulated:
    """All that became of the requests of one replication."""
    scenario, scale, first_seed, replication = job
    seed = replication_seed(first_seed, replication)
    maker = RequestMaker(scenario, seed)
    timeline: list[tuple[float, int, int, int]] = []
    if isinstance(scenario.workload.arrivals, Closed):
        clients = ClosedClients(scenario, scale, replication, first_seed)
        simulation = simulation_of(scenario, seed, (), scenario.workload.duration, timeline)
        with no_garbage_collection():
            simulation.play_waiting(clients, closed_requests(maker, clients), gives_up_after_s(scenario))
    else:
        schedule = build_schedule(scenario, scale, replication, first_seed)
        simulation = simulation_of(scenario, seed, schedule.history_tokens.tolist(), schedule.duration_s, timeline)
        with no_garbage_collection():
            if (retries := scenario.workload.client.retries) is not None:
                sendings = sendings_of(scenario, len(schedule))
                every = with_retries(schedule, retries.attempts)
                clients_again = RetryingClients(scenario, seed, every)
                simulation.play_waiting(clients_again, scheduled_requests(maker, every), gives_up_after_s(scenario), sendings)
            elif scenario.workload.waits_for_answers:
                simulation.play_waiting(Agents(schedule), scheduled_requests(maker, schedule), gives_up_after_s(scenario))
            else:
                simulation.play(maker.in_turn(schedule))
    requests = in_order(simulation.requests.table(replication))
    inside = Inside(simulation.entered, simulation.entered - simulation.left, simulation.area_s, simulation.now_s)
    samples = np.array([(replication, *row) for row in timeline], TIMELINE)
    g, p = simulation.g, simulation.p
    return Simulated(requests, simulation.attempts.table(replication), samples, g.events, g, p, inside)


def simulation_of(
    scenario: Scenario, seed: int, history: Any, duration_s: float, timeline: list[tuple[float, int, int, int]]
) -> Simulation:
    g = chain.build(scenario, seed, history)
    simulation = Simulation(g, build_providers(scenario, seed, g.calls, g.ready, history), duration_s)
    simulation.process(sample(simulation, duration_s, timeline))
    return simulation


def scheduled_requests(maker: RequestMaker, schedule: Schedule) -> Callable[[int, float], Any]:
    """Requests of a schedule by number, sent when they are asked for."""
    rows = maker.scheduled(schedule, 0, len(schedule))

    def make(number: int, at_s: float) -> Any:
        return sent_at(rows[number], at_s, maker)

    return make


def closed_requests(maker: RequestMaker, clients: ClosedClients) -> Callable[[int, float], Any]:
    def make(number: int, at_s: float) -> Any:
        return sent_at(maker.closed(*clients.records([number]))[0], at_s, maker)

    return make


def sent_at(row: Any, at_s: float, maker: RequestMaker) -> Any:
    row["arrival_s"], row["leaves_s"] = at_s, at_s + maker.leaves_after_s
    return row[FIELDS].tolist()


def sample(simulation: Simulation, duration_s: float, timeline: list[tuple[float, int, int, int]]) -> Generator[simpy.Event, Any, None]:
    """A native SimPy process: the state of the queue and the breakers, at regular times."""
    count, every_s = sampling(duration_s)
    for number in range(count):
        yield simulation.at(number * every_s, first=True)
        timeline.append((simulation.now_s, *look(simulation.g)))


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
