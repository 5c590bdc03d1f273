"""Is a closed form inside the run's own interval, when many are asked at once?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy import stats

from sim.analysis.estimators import Estimate

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


def verdict(estimates: Sequence[Estimate], replications: int, family: int, expected: tuple[float, float]) -> Verdict:
    """``estimates``: one for each run of so many replications, whose t-interval it has; runs are independent and alike, so their mean has
    the variance of each over their number. ``expected`` is the closed form, or what is known of it: from, to.
    """
    halves = []
    for estimate in estimates:
        assert estimate.value is not None, "insufficient samples: the run is too short for this figure"
        assert estimate.low is not None
        assert estimate.high is not None
        halves.append(max(estimate.high - estimate.value, estimate.value - estimate.low))
    runs, alone = len(estimates), t(replications - 1, 1)
    value = sum(estimate.value for estimate in estimates if estimate.value is not None) / runs
    spread = math.hypot(*halves) / runs / alone
    freedom = runs * (replications - 1)
    wider = spread * t(freedom, family)
    inside = value - wider <= expected[1] and expected[0] <= value + wider
    half_width = spread * t(freedom, 1) / abs(value) if value else 0.0
    return Verdict(value, value - wider, value + wider, half_width, bool(inside))


def t(freedom: int, family: int) -> float:
    """Student's two-sided point at which each of ``family`` intervals errs with (1 - 95 %) / family."""
    return float(stats.t.ppf(1 - (1 - CONFIDENCE) / 2 / family, freedom))
