"""A Run: one scenario at one scale, predicted or measured. One type, so one compare() serves model-vs-real and A-vs-B."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sim.data.precision import Precision
from sim.data.schema import Kind
from sim.data.table import Rows
from sim.scenario.model import Scenario


@dataclass(frozen=True)
class Run:
    """Rows of all replications together, warm-up included (``counted`` leaves it out).

    ``requests`` has dtype ``sim.gateway.rows.REQUESTS`` and ``attempts`` schema.ATTEMPTS, in memory or, of long runs, on disk;
    ``timeline`` has dtype schema.TIMELINE, one row per second and replication (fewer on long runs); ``events`` are dicts
    ``{"at_s", "replication", "event", …}`` (breaker moves, faults). ``targets`` are the provider/model names that ``target`` columns
    index, ``refusals`` the names of the codes in ``refused_by`` columns. ``usage`` are the rows of ``sim.analysis.utilization``.
    ``engine`` is the one that predicted it; ``precision`` what was asked for and reached, where replications were added until
    they sufficed.
    """

    kind: Kind
    scenario: Scenario
    scale: float
    seed: int
    replications: int
    targets: tuple[str, ...]
    requests: Rows
    attempts: Rows
    timeline: np.ndarray
    events: list[dict[str, Any]] = field(default_factory=list)
    usage: list[dict[str, Any]] = field(default_factory=list)
    refusals: dict[int, str] = field(default_factory=dict)
    wall_s: float = 0.0
    engine: str = ""
    precision: Precision | None = None

    @property
    def warmup_s(self) -> float:
        return self.scenario.workload.warmup_s

    @property
    def counted(self) -> np.ndarray:
        """Request rows whose arrival lies after the warm-up, all in memory: of long runs rather look at a Window."""
        return self.requests[self.requests["arrival_s"] >= self.warmup_s]

    def first(self, replications: int) -> Run:
        """The run as if only its first ``replications`` had been done."""
        if replications >= self.replications:
            return self
        return replace(
            self,
            replications=replications,
            requests=self.requests[self.requests["replication"] < replications],
            attempts=self.attempts[self.attempts["replication"] < replications],
            timeline=self.timeline[self.timeline["replication"] < replications],
            events=[event for event in self.events if event.get("replication", 0) < replications],
        )
