"""One replication, whichever engine runs it: the job, what it leaves, and what must hold of that."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sim.data.table import Rows
from sim.engine.invariants import Replication, hold
from sim.scenario.model import Scenario
from sim.stochastics.random_streams import replication_seed

Job = tuple[Scenario, float, int, int]
"""Scenario, scale, seed of the run, number of the replication."""
SAMPLES = 1200  # of the timeline, at most; never more often than once a second


class Part(NamedTuple):
    """One replication: its rows as in Run, and the requests that each rate limit refused."""

    requests: Rows
    attempts: Rows
    timeline: np.ndarray
    events: list[dict[str, Any]]
    limited: dict[str, int]


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


class Inside(NamedTuple):
    """Calls in the gateway, as the driver counted them: ``entered`` in all, ``left_over`` at the end, the integral of their number over
    time up to ``at_s``."""

    entered: int
    left_over: int
    area_s: float
    at_s: float


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
