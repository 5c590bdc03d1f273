"""Has anything become worse than a baseline? One rule for predictions and measurements: a figure has regressed when it is worse by more
than its tolerance, and the interval of the effect excludes the tolerance, too. Where the interval reaches over the tolerance nothing is
shown either way: inconclusive.

Figures come by replication, replication i of both sides under the same conditions: predictions rolled the same dice, measured runs took
turns (A B A B …), so that a machine that drifts strikes both alike. Intervals hold for all figures together (Bonferroni): Student's t over
predicted replications; of measured runs, whose errors need not be normal, the percentile bootstrap over pairs (Efron & Tibshirani, *An
Introduction to the Bootstrap*, ch. 13).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from sim.analysis.estimators import INSUFFICIENT, Estimate
from sim.analysis.metrics import METRICS
from sim.analysis.paired_comparison import SAME, confidence_each, joint_estimate

Verdict = Literal["ok", "regression", "inconclusive", "insufficient"]
Figures = Mapping[str, np.ndarray]
"""By metric, its value in each replication or run, float64, nan where one cannot say."""
LEAST_PAIRS = 5
"""Measured pairs below which a bootstrap has too few different resamples to say anything."""
RESAMPLES = 9999
TOLERANCES: dict[str, dict[str, float]] = {
    "prediction": {"s": 0.02, "share": 0.001, "USD": 0.02},
    "measurement": {"s": 0.05, "share": 0.005, "USD": 0.02},
}
"""By unit: relative, of shares the difference. Predictions: what a P99 predicted may be off by and still agree with a measurement.
Measurements: above what identical runs on one machine differ by, see docs/how-to/check-in-ci.md."""


class Effect(NamedTuple):
    """``change`` of the candidate against the baseline: relative, of shares the difference; its interval holds with those of all others."""

    baseline: float | None
    candidate: float | None
    change: Estimate
    tolerance: float
    pairs: int
    verdict: Verdict


def effects(kind: str, before: Figures, after: Figures, tolerances: Mapping[str, float] | None = None) -> dict[str, Effect]:
    """Every figure that both sides have. ``tolerances`` by metric replace those of its unit ("": of all but shares); what has neither is
    not judged.
    """
    interval = joint_estimate if kind == "prediction" else bootstrap_estimate
    allowed = {name: tolerance_of(kind, name, tolerances or {}) for name in before if name in after}
    judged = {name: tolerance for name, tolerance in allowed.items() if tolerance is not None}
    return {name: effect(name, before[name], after[name], tolerance, len(judged), interval) for name, tolerance in judged.items()}


def tolerance_of(kind: str, name: str, tolerances: Mapping[str, float]) -> float | None:
    unit = METRICS[name].unit
    usual = TOLERANCES[kind].get(unit)
    return tolerances.get(name, usual if unit == "share" else tolerances.get("", usual))


def effect(
    name: str, before: np.ndarray, after: np.ndarray, tolerance: float, judged: int, interval: Callable[[np.ndarray, int], Estimate]
) -> Effect:
    """Of as many replications as both sides have."""
    pairs = min(len(before), len(after))
    before, after = before[:pairs], after[:pairs]
    known = ~np.isnan(before) & ~np.isnan(after)
    before, after = before[known], after[known]
    if not len(before):
        return Effect(None, None, INSUFFICIENT, tolerance, 0, "insufficient")
    change = changes(name, before, after)
    endless = Estimate(*[float(change[np.isinf(change)][0])] * 3) if np.isinf(change).any() else None
    estimate = endless or interval(change, judged)
    return Effect(float(before.mean()), float(after.mean()), estimate, tolerance, len(change), verdict_on(name, estimate, tolerance))


def changes(name: str, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Of each pair; exactly 0 where the two differ by rounding errors alone. From nothing to something is an infinite relative change."""
    difference = after - before
    difference[np.abs(difference) <= SAME * np.maximum(np.abs(before), np.abs(after))] = 0.0
    if METRICS[name].unit == "share":
        return difference
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(difference == 0.0, 0.0, difference / np.abs(before))


def verdict_on(name: str, change: Estimate, tolerance: float) -> Verdict:
    if change.low is None or change.high is None:
        return "insufficient"
    least, most = (change.low, change.high) if METRICS[name].better == "lower" else (-change.high, -change.low)
    if least > tolerance:
        return "regression"
    return "ok" if most <= tolerance else "inconclusive"


def bootstrap_estimate(values: np.ndarray, judged: int) -> Estimate:
    """Mean over pairs, with the percentile bootstrap's interval at the confidence that lets ``judged`` of them hold together. The same for
    the same values: the resamples are drawn from a fixed seed. No bounds for fewer than LEAST_PAIRS.
    """
    from scipy.stats import bootstrap

    mean = float(values.mean())
    if len(values) < LEAST_PAIRS:
        return Estimate(mean)
    if np.ptp(values) == 0.0:
        return Estimate(mean, mean, mean)
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=confidence_each(judged),
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(mean, float(found.low), float(found.high))


def as_document(found: Mapping[str, Effect]) -> dict[str, Any]:
    """By metric, in plain JSON types; an infinite change is null, as JSON has no word for it."""
    return {name: one._asdict() | {"change": finite(one.change)} for name, one in found.items()}


def finite(estimate: Estimate) -> dict[str, float | None]:
    return {part: value if value is None or math.isfinite(value) else None for part, value in estimate.as_dict().items()}
