"""Arrivals as unit-rate renewal processes, stretched over the scenario's rate.

The n-th gap of the unit-rate process is keyed by n, and an arrival is at the time by which its sum of gaps is the expected count.
So at another scale, or with another profile, the same luck arrives at other times. Batches are such a process at their own rate, the
n-th of a size keyed by n: another scale brings the same batches more often, not larger ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sim.scenario import distributions
from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import Gamma, Poisson, Stages, Users
from sim.scenario.size import MOST_REQUESTS
from sim.stochastics.distributions import inverse
from sim.stochastics.random_streams import Purpose, uniform, uniforms
from sim.workload.calls import whole, whole_mean
from sim.workload.rates import rate_curve

MAX_BATCH = 1_000_000


class Arrivals(NamedTuple):
    """Columns in order of arrival: ``number`` int64, 0 is the first at or after time zero, -1 the last before; ``at_s`` float64;
    ``batch`` int64, the number, counted alike, of the batch that each came with: its own where all come alone.
    """

    number: np.ndarray
    at_s: np.ndarray
    batch: np.ndarray


def arrivals_between(
    arrivals: Poisson | Gamma | Stages | Users, seed: int, purpose: Purpose, factor: float, low_s: float, high_s: float
) -> Arrivals:
    """All arrivals of ``factor`` times the scenario's rate from ``low_s`` (≤ 0) up to ``high_s``.

    Raises ScenarioError beyond MOST_REQUESTS.
    """
    size = 1.0 if arrivals.batch is None else whole_mean(arrivals.batch, MAX_BATCH)
    curve = rate_curve(arrivals, factor / size, low_s, high_s)
    edges = curve.expected
    refuse_too_many((edges[-1] - edges[0]) * size)
    cv = arrivals.cv if isinstance(arrivals, Gamma) else 1.0
    numbers, counts = renewals(seed, purpose, cv, edges[0], edges[-1])
    at_s = curve.times(counts)
    return Arrivals(numbers, at_s, numbers) if arrivals.batch is None else batches(arrivals.batch, seed, numbers, at_s)


def refuse_too_many(arrivals: float) -> None:
    if arrivals > MOST_REQUESTS:
        message = f"about {arrivals:,.0f} arrivals, more than the {MOST_REQUESTS:,} that one run may have"
        hint = "shorten the duration, or lower the rate or --scale"
        raise ScenarioError([Problem("scenario", message, path="workload.arrivals", hint=hint)])


def batches(law: distributions.Distribution, seed: int, numbers: np.ndarray, at_s: np.ndarray) -> Arrivals:
    """Every batch as the arrivals it consists of."""
    sizes = whole(inverse(law)(uniforms(seed, Purpose.BATCH_SIZE, numbers)), MAX_BATCH).astype(np.int64)
    refuse_too_many(int(sizes.sum()))  # of a law with a long tail they may be many more than its mean says
    before = int(sizes[numbers < 0].sum())
    return Arrivals(np.arange(-before, int(sizes.sum()) - before), np.repeat(at_s, sizes), np.repeat(numbers, sizes))


def renewals(seed: int, purpose: Purpose, cv: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """A stationary renewal process of rate 1 with gamma gaps of this coefficient of variation, on [low, high), low ≤ 0 ≤ high.

    The gap in which zero lies is longer than the others (inspection paradox): its density is that of a gap weighted by length, and
    zero falls uniformly into it (Cox, Renewal Theory, 1962, chapter 5). Returns numbers, counted as in ``Arrivals``, and positions.
    """
    gaps = unit_gaps(seed, purpose, cv)
    before, after = straddling_gap(seed, purpose, cv)
    forward = sums(gaps, 1, after, high)
    backward = sums(gaps, -1, before, -low) if low < 0 else np.zeros(0)
    numbers = np.arange(-len(backward), len(forward))
    return numbers, np.concatenate([-backward[::-1], forward])


def unit_gaps(seed: int, purpose: Purpose, cv: float) -> Callable[[np.ndarray], np.ndarray]:
    if cv == 0:
        return lambda numbers: np.ones(len(numbers))
    law = inverse(distributions.Gamma(kind="gamma", mean=1.0, cv=cv))
    return lambda numbers: law(uniforms(seed, purpose, numbers))


def straddling_gap(seed: int, purpose: Purpose, cv: float) -> tuple[float, float]:
    """From zero back to the arrival before it, and on to the one after it."""
    if cv == 1:  # memoryless: two gaps like the others
        before, after = unit_gaps(seed, purpose, cv)(np.array([-1, 0])).tolist()
        return before, after
    length, place = 1.0, uniform(seed, purpose, 0, 1)
    if cv > 0:  # a gamma of shape k, weighted by length, is a gamma of shape k + 1
        from scipy.special import gammaincinv

        shape = cv**-2
        length = float(gammaincinv(shape + 1, uniform(seed, purpose, 0))) / shape
    return (1 - place) * length, place * length


def sums(gaps: Callable[[np.ndarray], np.ndarray], step: int, first: float, limit: float) -> np.ndarray:
    """Running sums below ``limit``: the first as given, then gap by gap with numbers ±1, ±2 … (-2, -3 … backwards, after -1)."""
    drawn = np.array([first])
    while True:
        total = np.cumsum(drawn)
        missing = limit - total[-1]
        if missing < 0:
            return total[: np.searchsorted(total, limit)]
        more = np.arange(int(missing + 4 * np.sqrt(missing)) + 16) + len(drawn)
        drawn = np.concatenate([drawn, gaps(more if step > 0 else -1 - more)])
