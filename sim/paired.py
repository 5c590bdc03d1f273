"""Which of two scenarios is better, and by how much: paired differences under common random numbers.

Replication r of both scenarios rolls the same dice, so the difference of a figure is taken within each replication, and Student's t over
replications bounds its mean (Law, *Simulation Modeling and Analysis*, 10.2.1). What both share cancels out: the interval is far
narrower than that of two independent runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sim.estimate import Estimate, mean_estimate
from sim.metrics import METRICS, measure
from sim.run import Run

FIGURES = ("latency_s.mean", "latency_s.p50", "latency_s.p99", "ttft_s.p99", "availability", "cost_usd.per_request")


class Difference(NamedTuple):
    """``change`` is the mean of candidate − baseline over replications, with its interval; null where either side cannot say."""

    baseline: float | None
    candidate: float | None
    change: Estimate

    @property
    def verdict(self) -> str:
        """lower, higher, or "no difference seen": its interval holds zero, or there is none."""
        if self.change.low is None or self.change.high is None or self.change.low <= 0 <= self.change.high:
            return "no difference seen"
        return "lower" if self.change.high < 0 else "higher"


def paired_differences(baseline: Run, candidate: Run, figures: Sequence[str] = FIGURES) -> dict[str, Difference]:
    """Each figure of two runs with the same seed and number of replications. Raises ValueError for runs that rolled different dice,
    KeyError for a figure that is no metric.
    """
    if (baseline.seed, baseline.replications) != (candidate.seed, candidate.replications):
        raise ValueError(
            "expected two runs of one seed and as many replications, found "
            f"seed {baseline.seed} × {baseline.replications} and seed {candidate.seed} × {candidate.replications}"
        )
    for name in figures:
        METRICS[name]
    sides = [by_replication(run, figures) for run in (baseline, candidate)]
    differences = {}
    for place, name in enumerate(figures):
        before, after = (side[:, place] for side in sides)
        known = ~np.isnan(before) & ~np.isnan(after)
        baseline_mean, candidate_mean = (float(side[known].mean()) if known.any() else None for side in (before, after))
        differences[name] = Difference(baseline_mean, candidate_mean, mean_estimate((after - before)[known]))
    return differences


def by_replication(run: Run, figures: Sequence[str]) -> np.ndarray:
    """Figures of each replication alone, float64, shape (replications, figures); nan where one cannot say."""
    values = np.full((run.replications, len(figures)), np.nan)
    for replication in range(run.replications):
        alone = one_replication(run, replication)
        values[replication] = [np.nan if (value := measure(alone, name).value) is None else value for name in figures]
    return values


def one_replication(run: Run, replication: int) -> Run:
    """The run as if only this replication had been done, as number 0."""
    rows = {name: getattr(run, name) for name in ("requests", "attempts", "timeline")}
    kept = {name: every[every["replication"] == replication] for name, every in rows.items()}  # copies: a mask selects
    for own in kept.values():
        own["replication"] = 0
    return replace(run, replications=1, **kept)
