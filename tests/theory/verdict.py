"""Is a closed form inside the run's own interval, when many are asked at once?"""

from __future__ import annotations

from typing import NamedTuple

from scipy import stats

from sim.estimate import Estimate

CONFIDENCE = 0.95


class Verdict(NamedTuple):
    """``low`` and ``high`` bound the figure with 95 % confidence for all figures of the family together (Bonferroni);
    ``half_width`` is that of the figure's own 95 % interval, relative to its value.
    """

    value: float
    low: float
    high: float
    half_width: float
    inside: bool


def verdict(estimate: Estimate, replications: int, family: int, expected: tuple[float, float]) -> Verdict:
    """``estimate`` must have a t-interval over ``replications``; ``expected`` is the closed form, or what is known of it: from, to."""
    assert estimate.value is not None, "insufficient samples: the run is too short for this figure"
    assert estimate.low is not None
    assert estimate.high is not None
    half = max(estimate.high - estimate.value, estimate.value - estimate.low)
    wider = half * t(replications, family) / t(replications, 1)
    low, high = estimate.value - wider, estimate.value + wider
    inside = low <= expected[1] and expected[0] <= high
    return Verdict(estimate.value, low, high, half / abs(estimate.value) if estimate.value else 0.0, bool(inside))


def t(replications: int, family: int) -> float:
    """Student's two-sided point at which each of ``family`` intervals errs with (1 - 95 %) / family."""
    return float(stats.t.ppf(1 - (1 - CONFIDENCE) / 2 / family, replications - 1))
