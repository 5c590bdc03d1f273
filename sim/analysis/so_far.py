"""What is known of a run while it goes on: small enough to be kept beside it, quick enough to be asked for every second."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sim.data.outcomes import is_available
from sim.data.table import Rows
from sim.formatting import say

STEP = 1.01
"""Ratio of a bin's upper to its lower edge: quantiles are known to within half a per cent."""
SHORTEST_S, LONGEST_S = 1e-5, 1e6
BINS = math.ceil(math.log(LONGEST_S / SHORTEST_S, STEP))


class SoFar(NamedTuple):
    """Figures of the traffic until now; None: not known. ``in_flight`` and ``waiting`` are requests, on average or at this moment;
    latencies are of answers; ``open_breakers`` the most at once, or at this moment; ``cost_usd`` of one run.
    """

    rate_rps: float | None = None
    in_flight: float | None = None
    waiting: float | None = None
    p50_s: float | None = None
    p99_s: float | None = None
    open_breakers: float | None = None
    cost_usd: float | None = None

    def shown(self) -> dict[str, str]:
        """What is known, by its name in words."""
        return {words: say(value, unit) for (words, unit), value in zip(WORDS, self, strict=True) if value is not None}


WORDS = (
    ("rate", "/s"), ("in flight", ""), ("queue", ""), ("P50", "s"), ("P99", "s"), ("open breakers", ""), ("cost", "USD"),
)  # fmt: skip
"""Name and unit of each figure, in their order."""


class Latencies:
    """Quantiles of as many latencies as come, from a histogram whose bins grow with the latency."""

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)

    def add(self, rows: Rows) -> None:
        """Those of the answers among requests' rows."""
        latency_s = rows["latency_s"][is_available(rows["outcome"])]
        places = np.log(np.maximum(latency_s, SHORTEST_S) / SHORTEST_S) / math.log(STEP)
        self.counts += np.bincount(np.minimum(places.astype(np.int64), BINS - 1), minlength=BINS)

    def quantile(self, share: float) -> float | None:
        """Seconds, the middle of its bin; None before the first."""
        summed = np.cumsum(self.counts)
        if summed[-1] == 0:
            return None
        place = int(np.searchsorted(summed, share * summed[-1]))
        return float(SHORTEST_S * STEP ** (place + 0.5))


class Tally:
    """Figures of the replications of a prediction that are done, each ``duration_s`` long: means over time, the most breakers at once, and
    the mean cost of a replication. Requests in flight by Little's law: all their seconds over those of the run.
    """

    def __init__(self, duration_s: float) -> None:
        self.duration_s = duration_s
        self.latencies = Latencies()
        self.replications = self.requests = self.samples = 0
        self.inside_s = self.waiting = self.cost_usd = 0.0
        self.open_breakers = 0

    def add(self, requests: Rows, timeline: np.ndarray, replications: int = 1) -> None:
        self.replications += replications
        self.requests += len(requests)
        self.inside_s += float(np.sum(requests["latency_s"]))
        self.cost_usd += float(np.sum(requests["cost_usd"]))
        self.latencies.add(requests)
        self.samples += len(timeline)
        self.waiting += float(np.sum(timeline["waiting"]))
        self.open_breakers = max(self.open_breakers, int(timeline["open_breakers"].max(initial=0)))

    def so_far(self) -> SoFar:
        whole_s = self.replications * self.duration_s
        if whole_s == 0.0:
            return SoFar()
        return SoFar(
            self.requests / whole_s, self.inside_s / whole_s, self.waiting / max(1, self.samples), self.latencies.quantile(0.5),
            self.latencies.quantile(0.99), self.open_breakers, self.cost_usd / self.replications,
        )  # fmt: skip
