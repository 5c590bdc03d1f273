"""Laws of service demand, fitted with their goodness of fit, and intervals of means."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

LEAST = 20
MISFIT = 0.01
SHORTEST_S = 1e-5
REGULAR = 0.5
"""Coefficient of variation up to which times are nearer to a constant (0) than to an exponential (1)."""


class Demand(NamedTuple):
    """A distribution as a scenario writes it, the P value of the best fit (Kolmogorov and Smirnov), and the coefficient of variation.

    Below MISFIT no law fits: ``law`` then has the mean, and of the spread no more than whether there is much.
    """

    law: dict[str, Any]
    p: float
    cv: float


def mean_interval(samples: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    """95 % interval of how much larger the mean of ``samples`` is than that of ``noise`` (Welch)."""
    from scipy.stats import ttest_ind

    interval = ttest_ind(samples, noise, equal_var=False).confidence_interval(0.95)
    return float(interval.low), float(interval.high)


def fit_demand(samples_s: np.ndarray, mean_s: float) -> Demand:
    """The law whose shape is nearest to that of ``samples_s``, with the mean ``mean_s``: lognormal or gamma, by maximum likelihood.

    Where neither fits: constant or exponential, whichever is nearer in its coefficient of variation, which with the mean is what waiting
    times depend on (Pollaczek and Khinchine).
    """
    from scipy.stats import gamma, kstest, lognorm

    samples = np.maximum(samples_s, SHORTEST_S)
    samples = samples * (mean_s / samples.mean())
    logs = np.log(samples)
    sigma = max(1e-3, float(logs.std(ddof=1)))
    shape, _, scale = gamma.fit(samples, floc=0.0)
    p_lognormal = float(kstest(samples, lognorm(sigma, scale=float(np.exp(logs.mean()))).cdf).pvalue)
    p_gamma = float(kstest(samples, gamma(shape, scale=scale).cdf).pvalue)
    if max(p_lognormal, p_gamma) < MISFIT:
        cv = float(samples.std(ddof=1)) / mean_s
        constant = {"kind": "constant", "value": in_ms(mean_s)}
        return Demand(constant if cv <= REGULAR else {"kind": "exponential", "mean": in_ms(mean_s)}, max(p_lognormal, p_gamma), cv)
    if p_lognormal >= p_gamma:
        median = in_ms(mean_s / float(np.exp(sigma**2 / 2)))
        return Demand({"kind": "lognormal", "median": median, "sigma": round(sigma, 3)}, p_lognormal, float(np.sqrt(np.expm1(sigma**2))))
    cv = float(1.0 / np.sqrt(shape))
    return Demand({"kind": "gamma", "mean": in_ms(mean_s), "cv": round(cv, 3)}, p_gamma, cv)


def in_ms(seconds: float) -> str:
    return f"{seconds * 1e3:.4g}ms"
