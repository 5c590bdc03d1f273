"""Which of two scenarios is better, and by how much: paired differences under common random numbers.

Replication r of both scenarios rolls the same dice, so the difference of a figure is taken within each replication, and Student's t over
replications bounds its mean (Law, *Simulation Modeling and Analysis*, 10.2.1). What both share cancels out: the interval is far
narrower than that of two independent runs.

Many figures are looked at together, and of twenty intervals of 95 % one misses by chance alone. So verdicts rest on wider intervals, all
of which hold together with 95 % (Bonferroni's inequality; Law, 10.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sim.analysis.estimators import CONFIDENCE, Estimate, mean_estimate
from sim.analysis.metrics import METRICS, available, measure, queued
from sim.analysis.window import Window
from sim.data.run import Run
from sim.scenario.metric_names import QUANTILES

FIGURES = ("latency_s.mean", "latency_s.p50", "latency_s.p99", "ttft_s.p99", "availability", "cost_usd.per_request")
DELAYS = {"latency_s": available, "ttft_s": available, "added_latency_s": available, "queue_wait_s": queued}
"""Columns of which a quantile is taken, and of which requests."""
SAME = 1e-9
"""Relative difference up to which two figures are one: sums of the same numbers in another order differ by less."""


class Difference(NamedTuple):
    """``change`` is the mean of candidate − baseline over replications, with its interval of 95 %; null where either side cannot say.

    ``joint`` is the same with the interval that holds together with those of all the figures judged.
    """

    baseline: float | None
    candidate: float | None
    change: Estimate
    joint: Estimate

    @property
    def verdict(self) -> str:
        """lower, higher, "no difference seen" where the joint interval holds zero, or "insufficient" where there is none."""
        if self.joint.low is None or self.joint.high is None:
            return "insufficient"
        if self.joint.low <= 0 <= self.joint.high:
            return "no difference seen"
        return "lower" if self.joint.high < 0 else "higher"


def paired_differences(baseline: Run, candidate: Run, figures: Sequence[str] = FIGURES, judged: int | None = None) -> dict[str, Difference]:
    """Each figure of two runs with the same seed and number of replications. ``judged``: how many figures are looked at together, if
    more than these. Raises ValueError for runs that rolled different dice, KeyError for a figure that is no metric.
    """
    if (baseline.seed, baseline.replications) != (candidate.seed, candidate.replications):
        raise ValueError(
            "expected two runs of one seed and as many replications, found "
            f"seed {baseline.seed} × {baseline.replications} and seed {candidate.seed} × {candidate.replications}"
        )
    for name in figures:
        METRICS[name]
    count = len(figures) if judged is None else judged
    before, after = (by_replication(run, figures) for run in (baseline, candidate))
    return {name: difference(before[:, place], after[:, place], count) for place, name in enumerate(figures)}


def difference(before: np.ndarray, after: np.ndarray, judged: int = 1) -> Difference:
    """Of one figure per replication on either side, float64, nan where one cannot say; one of ``judged`` that are looked at together."""
    known = ~np.isnan(before) & ~np.isnan(after)
    change = (after - before)[known]
    change[np.abs(change) <= SAME * np.maximum(np.abs(before), np.abs(after))[known]] = 0.0
    means = (side[known if known.any() else ~np.isnan(side)] for side in (before, after))
    baseline, candidate = (float(side.mean()) if len(side) else None for side in means)
    return Difference(baseline, candidate, mean_estimate(change), joint_estimate(change, judged))


def joint_estimate(values: np.ndarray, judged: int) -> Estimate:
    """Mean, with Student's t at the confidence that lets ``judged`` intervals hold together with CONFIDENCE. None for fewer than two."""
    from scipy.special import stdtrit

    if len(values) < 2:
        return Estimate(float(values[0]) if len(values) else None)
    mean = float(values.mean())
    quantile = float(stdtrit(len(values) - 1, 1 - (1 - confidence_each(judged)) / 2))
    half = quantile * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def confidence_each(judged: int) -> float:
    """Of every one of ``judged`` intervals that hold together with CONFIDENCE (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / judged


def by_replication(run: Run, figures: Sequence[str]) -> np.ndarray:
    """Figures of each replication alone, float64, shape (replications, figures); nan where one cannot say."""
    window = Window(run)
    return np.column_stack([figure_by_replication(window, name) for name in figures])


def figure_by_replication(window: Window, name: str) -> np.ndarray:
    """One figure, shape (replications,)."""
    family, _, figure = name.partition(".")
    if family in DELAYS and figure in QUANTILES:
        values = window[family]
        samples = window.split(values, DELAYS[family](window) & ~np.isnan(values))
        return np.array([quantile_alone(each, QUANTILES[figure]) for each in samples])
    run = window.run
    alone = (measure(one_replication(run, number), name).value for number in range(run.replications))
    return np.array([np.nan if value is None else value for value in alone])


def quantile_alone(sample: np.ndarray, quantile: float) -> float:
    """Of one replication, nan where it has too few samples for one to be expected beyond the quantile: 100 for P99.

    The bounds come from the spread over replications, so there need not be as many as a single sample takes to have bounds of its own.
    """
    enough = round(1 / min(quantile, 1 - quantile), 6)
    return float(np.quantile(sample, quantile)) if len(sample) >= enough else math.nan


def one_replication(run: Run, replication: int) -> Run:
    """The run as if only this replication had been done, as number 0."""
    rows = {name: getattr(run, name) for name in ("requests", "attempts", "timeline")}
    kept = {name: every[every["replication"] == replication] for name, every in rows.items()}  # copies: a mask selects
    for own in kept.values():
        own["replication"] = 0
    return replace(run, replications=1, **kept)
