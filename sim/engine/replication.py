"""One replication, whichever engine runs it: the job, what it leaves, and what must hold of that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from sim.data.table import Rows
from sim.engine.invariants import Inside, Leftovers, Replication, hold
from sim.engine.row_log import as_clients_saw
from sim.engine.sampling import rows_of
from sim.gateway.events import described
from sim.kernel.containers import NOBODY
from sim.kernel.refusals import names_in
from sim.scenario.model import Scenario
from sim.scenario.targets import target_names
from sim.stochastics.random_streams import replication_seed

__all__ = ["Inside", "Job", "Part", "Simulated", "part_of"]

Job = tuple[Scenario, float, int, int]
"""Scenario, scale, seed of the run, number of the replication."""


class Part(NamedTuple):
    """One replication: its rows and events as in Run, and the names of the limits that refused in it, by their code."""

    requests: Rows
    attempts: Rows
    timeline: np.ndarray
    events: list[dict[str, Any]]
    refusals: dict[int, str]


class Simulated(NamedTuple):
    """What a driver leaves of one replication: rows in the order of the requests' numbers, attempts in the order of their ends, events
    (at_s, kind, subject, value), and the gateway and providers as they are at the end."""

    requests: np.ndarray
    attempts: np.ndarray
    timeline: np.ndarray
    events: Any
    g: Any
    p: Any
    inside: Inside


def part_of(job: Job, done: Simulated, engine: str) -> Part:
    """What a replication that ``engine`` ran leaves, once its invariants hold."""
    scenario, scale, first_seed, replication = job
    seed = replication_seed(first_seed, replication)
    options = f"--scale {repr(scale).removesuffix('.0')} --seed {seed} --replications 1 --engine {engine}"
    checked = Replication(done.requests, done.attempts, done.timeline, done.inside, leftovers_of(done.g, done.p, scenario))
    hold(checked, replay=f"tenfold predict with the same scenario and changes to it, {options}")
    requests = done.requests if scenario.gateway.cancel_on_disconnect else as_clients_saw(done.requests, scenario)
    events = events_of(done.events, target_names(scenario), replication)
    return Part(requests, done.attempts, done.timeline, events, names_in(requests["refused_by"], done.attempts["refused_by"]))


def leftovers_of(g: Any, p: Any, scenario: Scenario) -> Leftovers:
    """From the gateway and the providers at the end, in Python as in compiled code."""
    left = Leftovers(
        in_flight=dict(zip(target_names(scenario), column_of(g.targets, "in_flight").tolist(), strict=True)),
        leaders=0 if g.prompts is None else int(np.count_nonzero(column_of(g.prompts, "leader") != NOBODY)),
        at_provider=dict(zip(scenario.providers, column_of(p.providers, "in_service").tolist(), strict=True)),
        seen=seen_by(p),
    )
    if g.admission is None:
        return left
    names = ("in_service", "waiting", "waited_s", "concurrency", "capacity")
    left = left._replace(**{name: np.asarray(getattr(g.admission, name)).item() for name in names})
    if scenario.gateway.autoscale is not None and scenario.gateway.queue.per == "worker":
        left = left._replace(concurrency=float(g.admission.per_worker * scenario.gateway.autoscale.max))
    return left


def column_of(table: Any, name: str) -> np.ndarray:
    """One field of all records of a table: a dict of objects in Python, an array in compiled code."""
    if isinstance(table, np.ndarray):
        return table[name]
    return np.array([getattr(row, name) for row in rows_of(table)])


def seen_by(p: Any) -> int:
    """Attempts that reached the providers: visits of each prompt, by target."""
    if isinstance(p.visits, np.ndarray):
        return int(p.visits.sum())
    return sum(int(sum(visits.values())) if isinstance(visits, dict) else int(np.sum(visits)) for visits in p.visits)


def events_of(happened: Iterable[Any], targets: tuple[str, ...], replication: int) -> list[dict[str, Any]]:
    """Events as in events.jsonl, from (at_s, kind, subject, value)."""
    return [described(float(at_s), replication, int(kind), int(subject), int(value), targets) for at_s, kind, subject, value in happened]
