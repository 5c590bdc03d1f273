"""Arrivals as unit-rate renewal processes, stretched over the scenario's rate.

The n-th gap of the unit-rate process is keyed by n, and an arrival is at the time by which its sum of gaps is the expected count.
So at another scale, or with another profile, the same luck arrives at other times.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.distributions import inverse
from sim.draws import Purpose, uniform, uniforms
from sim.scenario import distributions
from sim.scenario.checks import MOST_REQUESTS
from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import Gamma, Poisson, Stages, Users
from sim.workload.rates import rate_curve


def arrivals_between(
    arrivals: Poisson | Gamma | Stages | Users, seed: int, purpose: Purpose, factor: float, low_s: float, high_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (int64; 0 is the first at or after time zero, -1 the last before) and times (float64, s, rising) of all arrivals of
    ``factor`` times the scenario's rate from ``low_s`` (≤ 0) up to ``high_s``. Raises ScenarioError beyond MOST_REQUESTS.
    """
    curve = rate_curve(arrivals, factor, low_s, high_s)
    edges = curve.expected
    if edges[-1] - edges[0] > MOST_REQUESTS:
        message = f"about {edges[-1] - edges[0]:,.0f} arrivals, more than the {MOST_REQUESTS:,} that one run may have"
        hint = "shorten the duration, or lower the rate or --scale"
        raise ScenarioError([Problem("scenario", message, path="workload.arrivals", hint=hint)])
    cv = arrivals.cv if isinstance(arrivals, Gamma) else 1.0
    numbers, counts = renewals(seed, purpose, cv, edges[0], edges[-1])
    return numbers, curve.times(counts)


def renewals(seed: int, purpose: Purpose, cv: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """A stationary renewal process of rate 1 with gamma gaps of this coefficient of variation, on [low, high), low ≤ 0 ≤ high.

    The gap in which zero lies is longer than the others (inspection paradox): its density is that of a gap weighted by length, and
    zero falls uniformly into it (Cox, Renewal Theory, 1962, chapter 5). Returns numbers and positions as ``arrivals_between``.
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
