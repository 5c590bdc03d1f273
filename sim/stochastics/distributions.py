"""Laws as numbers: inverse distribution functions, so that one draw takes one uniform and common random numbers carry over.

Elements do not depend on each other: a value is the same whatever array its uniform arrives in.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sim.scenario.distributions import (
    Constant,
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    Geometric,
    Lognormal,
    Mixture,
    Shifted,
    Uniform,
    Weibull,
    recorded,
    sigma,
)

Inverse = Callable[[np.ndarray], np.ndarray]

SMALLEST = 2.0**-53  # draws are odd multiples of this


def quantile(law: Distribution, u: np.ndarray) -> np.ndarray:
    """The law's quantiles at ``u``: float64 of the shape of ``u``, whose values lie in the open interval (0, 1).

    Monotone in u, except for a mixture, where u picks the part and then the place within it: its law is right, its order is not.
    Raises ValueError for an empirical law whose file was not taken in (``sim.scenario.load`` does that).
    """
    return inverse(law)(np.asarray(u, np.float64))


def inverse(law: Distribution) -> Inverse:
    """``quantile`` of one law as a function, its constants computed once. For callers that draw in small pieces."""
    return INVERSES[type(law)](law)


def constant(law: Constant) -> Inverse:
    return lambda u: np.full(u.shape, float(law.value))


def exponential(law: Exponential) -> Inverse:
    scale = -float(law.mean)
    return lambda u: scale * np.log1p(-u)


def geometric(law: Geometric) -> Inverse:
    """P(N > n) = (1 - 1/mean)^n, so N = 1 + floor(ln(1-u) / ln(1 - 1/mean))."""
    if law.mean == 1:
        return lambda u: np.ones(u.shape)
    log_continue = math.log1p(-1 / law.mean)
    return lambda u: 1.0 + np.floor(np.log1p(-u) / log_continue)


def lognormal(law: Lognormal) -> Inverse:
    from scipy.special import ndtri

    median, spread = float(law.median), sigma(law)
    return lambda u: median * np.exp(spread * ndtri(u))


def gamma(law: Gamma) -> Inverse:
    if law.cv == 1:  # the exponential law, 50 times faster
        return lambda u: -float(law.mean) * np.log1p(-u)
    from scipy.special import gammaincinv

    shape = law.cv**-2
    return lambda u: law.mean / shape * gammaincinv(shape, u)


def weibull(law: Weibull) -> Inverse:
    scale, power = float(law.scale), 1 / law.shape
    return lambda u: scale * np.power(-np.log1p(-u), power)


def uniform(law: Uniform) -> Inverse:
    low, width = float(law.low), law.high - law.low
    return lambda u: low + width * u


def empirical(law: Empirical) -> Inverse:
    values = np.sort(recorded(law))
    count = len(values)
    return lambda u: values[(u * count).astype(np.intp)]  # u ≤ 1 - 2^-53, so the product rounds below count


def mixture(law: Mixture) -> Inverse:
    ends = np.cumsum([part.weight for part in law.parts])
    ends = ends / ends[-1]
    starts = np.concatenate([[0.0], ends[:-1]])
    parts = [inverse(part.of) for part in law.parts]

    def values(u: np.ndarray) -> np.ndarray:
        chosen = np.searchsorted(ends[:-1], u, side="right")
        within = np.clip((u - starts[chosen]) / (ends - starts)[chosen], SMALLEST, 1 - SMALLEST)
        drawn = np.empty(u.shape)
        for number, part in enumerate(parts):
            here = chosen == number
            drawn[here] = part(within[here])
        return drawn

    return values


def shifted(law: Shifted) -> Inverse:
    by, of = float(law.by), inverse(law.of)
    return lambda u: by + of(u)


INVERSES: dict[type, Callable[..., Inverse]] = {
    Constant: constant,
    Exponential: exponential,
    Geometric: geometric,
    Lognormal: lognormal,
    Gamma: gamma,
    Weibull: weibull,
    Uniform: uniform,
    Empirical: empirical,
    Mixture: mixture,
    Shifted: shifted,
}
