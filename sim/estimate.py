"""An Estimate: a value and its 95 % interval; null bounds where none can be had, a null value where the samples cannot say.

Replications are independent, so intervals come from them: Student's t over per-replication figures (Law, *Simulation Modeling and
Analysis*, ch. 9), for ratios with the linearised variance of the ratio estimator (Cochran, *Sampling Techniques*, ch. 6). Within one
replication neighbouring requests resemble each other (they met the same queue), so the intervals that one replication gives, order
statistics for quantiles and the binomial for shares, assume more independence than there is and are somewhat too narrow: read them as
the least uncertainty. A mean of one replication gets no interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2


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
    """Σ sums / Σ counts over replications: a mean per request, a cost per conversation. Student's t on sums − ratio·counts."""
    sums, counts = np.asarray(sums, dtype=float), np.asarray(counts, dtype=float)
    total = float(counts.sum())
    if total <= 0:
        return INSUFFICIENT
    ratio = float(sums.sum()) / total
    replications = len(counts)
    if np.count_nonzero(counts) < 2:
        return Estimate(ratio)
    residual = sums - ratio * counts
    half = student_t(replications - 1) * math.sqrt(float(residual @ residual) / (replications - 1) * replications) / total
    return Estimate(ratio, ratio - half, ratio + half)


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
    value, low, high = ratio_estimate(hits, counts)
    assert low is not None
    assert high is not None
    return Estimate(value, max(0.0, low), min(1.0, high))


def quantile_estimate(samples: Sequence[np.ndarray], quantile: float) -> Estimate:
    """A quantile (0 < q < 1) from one array of samples per replication.

    Each replication's own quantile, with Student's t over replications. Replications too small for the quantile are put together,
    neighbours first, into as many groups as are large enough (still independent of each other). A single group: order statistics.
    Fewer samples than ``least_samples``: insufficient. Quantiles are exact, interpolated between neighbouring samples.
    """
    groups = grouped(samples, least_samples(quantile))
    if not groups:
        return INSUFFICIENT
    if len(groups) == 1:
        return order_statistic_estimate(groups[0], quantile)
    return mean_estimate([float(np.quantile(group, quantile)) for group in groups])


def grouped(samples: Sequence[np.ndarray], least: int) -> list[np.ndarray]:
    """Neighbouring arrays joined until each group has at least ``least`` samples; what is left over joins the last group."""
    groups: list[list[np.ndarray]] = []
    pending: list[np.ndarray] = []
    for sample in samples:
        pending.append(sample)
        if sum(map(len, pending)) >= least:
            groups.append(pending)
            pending = []
    if groups:
        groups[-1].extend(pending)
    return [group[0] if len(group) == 1 else np.concatenate(group) for group in groups]


def order_statistic_estimate(sample: np.ndarray, quantile: float) -> Estimate:
    """A quantile of one sample, between the order statistics whose ranks are binomial bounds (distribution-free; assumes independence)."""
    n = len(sample)
    if n < least_samples(quantile):
        return INSUFFICIENT
    low, high = order_ranks(n, quantile)
    ordered = np.partition(sample, (low - 1, high - 1))
    return Estimate(float(np.quantile(sample, quantile)), float(ordered[low - 1]), float(ordered[high - 1]))


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
