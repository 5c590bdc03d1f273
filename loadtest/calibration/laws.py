"""Laws of service demand, fitted with their goodness of fit, and intervals of means."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

LEAST = 20
MISFIT = 0.01
SHORTEST_S = 1e-5


class Demand(NamedTuple):
    """A distribution as a scenario writes it, how well it fits (P value by Kolmogorov and Smirnov), and its coefficient of variation."""

    law: dict[str, Any]
    p: float
    cv: float


def mean_interval(samples: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    """95 % interval of how much larger the mean of ``samples`` is than that of ``noise`` (Welch)."""
    from scipy.stats import ttest_ind

    interval = ttest_ind(samples, noise, equal_var=False).confidence_interval(0.95)
    return float(interval.low), float(interval.high)


def fit_demand(samples_s: np.ndarray, mean_s: float) -> Demand:
    """The law whose shape is nearest to that of ``samples_s``, with the mean ``mean_s``: lognormal or gamma.

    Both are fitted by maximum likelihood. Where neither fits, the nearer one is given all the same, and its P value says so.
    """
    from scipy.stats import gamma, kstest, lognorm

    samples = np.maximum(samples_s, SHORTEST_S)
    samples = samples * (mean_s / samples.mean())
    logs = np.log(samples)
    sigma = max(1e-3, float(logs.std(ddof=1)))
    median_s = mean_s / float(np.exp(sigma**2 / 2))
    shape, _, scale = gamma.fit(samples, floc=0.0)
    p_lognormal = float(kstest(samples, lognorm(sigma, scale=float(np.exp(logs.mean()))).cdf).pvalue)
    p_gamma = float(kstest(samples, gamma(shape, scale=scale).cdf).pvalue)
    if p_lognormal >= p_gamma:
        return Demand(
            {"kind": "lognormal", "median": in_ms(median_s), "sigma": round(sigma, 3)}, p_lognormal, float(np.sqrt(np.expm1(sigma**2)))
        )
    cv = float(1.0 / np.sqrt(shape))
    return Demand({"kind": "gamma", "mean": in_ms(mean_s), "cv": round(cv, 3)}, p_gamma, cv)


def in_ms(seconds: float) -> str:
    return f"{seconds * 1e3:.4g}ms"
