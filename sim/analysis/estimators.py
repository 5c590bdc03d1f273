"""An Estimate: a value and its 95 % interval; null bounds where none can be had, a null value where the samples cannot say.

Replications are independent, so intervals come from the spread between them: Student's t over per-replication figures (Law, *Simulation
Modeling and Analysis*, ch. 9), for ratios with the linearised variance of the ratio estimator (Cochran, *Sampling Techniques*, ch. 6),
for quantiles by inverting the interval of the share below them (Woodruff, "Confidence intervals for medians and other position measures",
JASA 1952). The value is always that of all requests together: a mean of P99s of short replications would lie below the P99.

Within one replication neighbouring requests resemble each other (they met the same queue). Of a single one quantiles get the interval of
SECTIONS pieces of it, one after the other, and never less than order statistics say; a mean gets none; a share gets the binomial's, which
takes requests for independent and is the least uncertainty there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
SECTIONS = 20
LEAST_OF_A_MEAN = 30
"""Requests below which a mean gets no interval: latencies are skewed, and Student's t would be sure too often."""


class Estimate(NamedTuple):
    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def sufficient(self) -> bool:
        return self.value is not None

    def as_dict(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}

    def times(self, factor: float) -> Estimate:
        """The same quantity in a unit ``factor`` (≥ 0) times smaller."""
        return Estimate(*(None if part is None else part * factor for part in self))


INSUFFICIENT = Estimate(None)


def least_samples(quantile: float) -> int:
    """Samples below which no two-sided order-statistic interval for ``quantile`` exists: 368 for P99, 3688 for P99.9.

    The largest (smallest) of n samples bounds the quantile q from above (below) with probability 1 - q^n; that must reach 97.5 %.
    """
    return math.ceil(math.log(TAIL) / math.log(max(quantile, 1 - quantile)))


def mean_estimate(values: Sequence[float] | np.ndarray) -> Estimate:
    """Mean of one figure per replication, with Student's t. One replication: no bounds. None: insufficient. NaN is left out."""
    figures = np.asarray(values, dtype=float)
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        return INSUFFICIENT
    mean = float(figures.mean())
    if len(figures) == 1:
        return Estimate(mean)
    half = student_t(len(figures) - 1) * float(figures.std(ddof=1)) / math.sqrt(len(figures))
    return Estimate(mean, mean - half, mean + half)


def ratio_estimate(sums: Sequence[float] | np.ndarray, counts: Sequence[float] | np.ndarray) -> Estimate:
    """Σ sums / Σ counts over replications: a mean per request, a cost per conversation. Student's t on sums − ratio·counts.

    One replication, or fewer than LEAST_OF_A_MEAN counted: no bounds. None: insufficient.
    """
    sums, counts = np.asarray(sums, dtype=float), np.asarray(counts, dtype=float)
    total = float(counts.sum())
    if total <= 0:
        return INSUFFICIENT
    ratio = float(sums.sum()) / total
    if np.count_nonzero(counts) < 2 or total < LEAST_OF_A_MEAN:
        return Estimate(ratio)
    half = student_t(len(counts) - 1) * standard_error(sums, counts)
    return Estimate(ratio, ratio - half, ratio + half)


def standard_error(sums: np.ndarray, counts: np.ndarray) -> float:
    """Of Σ sums / Σ counts over independent groups, linearised."""
    total, groups = float(counts.sum()), len(counts)
    residual = sums - float(sums.sum()) / total * counts
    return math.sqrt(float(residual @ residual) / (groups - 1) * groups) / total


def share_estimate(hits: Sequence[float] | np.ndarray, counts: Sequence[float] | np.ndarray) -> Estimate:
    """Share of requests over replications, within 0 and 1.

    One replication, or a share never seen to differ from 0 or 1 (where the spread over replications says nothing): Clopper–Pearson
    over all requests.
    """
    hits, counts = np.asarray(hits, dtype=float), np.asarray(counts, dtype=float)
    seen, total = float(hits.sum()), float(counts.sum())
    if total <= 0:
        return INSUFFICIENT
    if np.count_nonzero(counts) < 2 or seen in (0.0, total):
        return clopper_pearson(seen, total)
    value, half = seen / total, student_t(len(counts) - 1) * standard_error(hits, counts)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def quantile_estimate(samples: Sequence[np.ndarray], quantile: float) -> Estimate:
    """A quantile (0 < q < 1) of all samples together, from one array of them per replication, in order of arrival.

    The share of samples at or below it is a ratio over replications; its interval, turned back into values, is that of the quantile. Near
    0 and 1 a share's error is skewed, so the wider of the intervals on the plain and on the logit scale counts. Fewer samples than
    ``least_samples``: insufficient. Quantiles are exact, interpolated between neighbouring samples.
    """
    samples = [sample for sample in samples if len(sample)]
    n = sum(map(len, samples))
    if n < least_samples(quantile):
        return INSUFFICIENT
    together = samples[0] if len(samples) == 1 else np.concatenate(samples)
    value = float(np.quantile(together, quantile))
    groups = np.array_split(together, SECTIONS) if len(samples) == 1 else samples
    below = np.array([np.count_nonzero(group <= value) for group in groups], dtype=float)
    error = student_t(len(groups) - 1) * standard_error(below, np.array([len(group) for group in groups], dtype=float))
    low, high = share_bounds(quantile, error)
    if len(samples) == 1:
        first, last = order_ranks(n, quantile)
        low, high = min(low, (first - 1) / (n - 1)), max(high, (last - 1) / (n - 1))
    bounds = np.quantile(together, [low, high])
    return Estimate(value, min(float(bounds[0]), value), max(float(bounds[1]), value))


def share_bounds(share: float, error: float) -> tuple[float, float]:
    """The interval of a share with this half-width, within (0, 1): on the plain scale or on the logit scale, whichever reaches further."""
    from scipy.special import expit, logit

    stretched = error / (share * (1 - share))
    low, high = float(expit(logit(share) - stretched)), float(expit(logit(share) + stretched))
    return (min(low, share - error) if share > error else low), (max(high, share + error) if share + error < 1 else high)


def order_ranks(n: int, quantile: float) -> tuple[int, int]:
    """Ranks (1-based) l < u with P(X_l ≤ quantile < X_u) ≥ 95 %, for n ≥ least_samples: the 2.5 % and 97.5 % points of Binomial(n, q)."""
    from scipy.special import bdtrik

    low = math.ceil(bdtrik(TAIL, n, quantile)) if (1 - quantile) ** n <= TAIL else 0
    high = math.ceil(bdtrik(1 - TAIL, n, quantile)) + 1
    return max(1, min(low, n)), max(1, min(high, n))


def clopper_pearson(hits: float, n: float) -> Estimate:
    """The exact binomial interval for a share; assumes independence."""
    from scipy.special import betaincinv

    low = float(betaincinv(hits, n - hits + 1, TAIL)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - TAIL)) if hits < n else 1.0
    return Estimate(hits / n, low, high)


def student_t(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - TAIL))
