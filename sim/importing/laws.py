"""Distributions fitted to samples: lognormal, gamma, Weibull or a mixture of two lognormals, whichever fits best; else the sample itself.

Candidates are fitted by maximum likelihood and judged by what a prediction needs of them: the distance of Kolmogorov and Smirnov, and the
errors of the median, the 99th percentile and the mean. Among those that hold, the one with the smallest BIC is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.scenario.distributions import Constant, Distribution, Empirical, Gamma, Lognormal, Mixture, Part, Weibull
from sim.scenario.units import Seconds
from sim.stochastics.distributions import inverse

MOST_FITTED = 10_000
MOST_MIXED = 4_000
FEWEST = 30
ENOUGH_FOR_P99 = 299
"""A bound of the 99th percentile needs so many samples (one-sided, 95 %)."""
KEPT_VALUES = 2000
DISTANCE, MEDIAN, TAIL, MEAN = 0.025, 0.02, 0.06, 0.01
"""What a law may be off by: distance, and relative errors; small samples may be off by their own chance on top."""
GRID = (np.arange(1 << 14) + 0.5) / (1 << 14)


@dataclass(frozen=True)
class Fit:
    """A law and how well it fits: ``n`` samples, ``distance`` (Kolmogorov-Smirnov), relative errors of ``p50``, ``p99`` and ``mean``.

    ``values`` is a sorted sample, for its picture. ``tried`` are the other laws with their distances.
    """

    law: Distribution
    n: int
    distance: float
    p50: float
    p99: float
    mean: float
    values: np.ndarray
    tried: dict[str, float]

    @property
    def kind(self) -> str:
        return self.law.kind

    @property
    def says(self) -> str:
        """``n 12,000, KS 0.008, P50 +0.3 %, P99 -1.2 %, mean +0.1 %; gamma KS 0.051``."""
        if self.n == 0:
            return "no sample: an assumption"
        told = f"n {self.n:,}"
        if self.kind != "constant":
            told += f", KS {self.distance:.3f}, P50 {self.p50:+.1%}, P99 {self.p99:+.1%}, mean {self.mean:+.1%}"
        others = ", ".join(f"{kind} KS {distance:.3f}" for kind, distance in self.tried.items() if kind != self.kind)
        if others:
            told += f"; {others}"
        if self.n < FEWEST:
            told += "; TOO LITTLE DATA for a law: the values seen"
        elif self.n < ENOUGH_FOR_P99:
            told += f"; too little data for its P99 (at least {ENOUGH_FOR_P99})"
        return told

    def as_dict(self) -> dict[str, object]:
        return {
            "law": self.kind,
            "n": self.n,
            "ks": self.distance,
            "p50_error": self.p50,
            "p99_error": self.p99,
            "mean_error": self.mean,
            "tried": self.tried,
        }


def fit(values: np.ndarray, seconds: bool) -> Fit:
    """The best law for positive samples. ``seconds``: its quantities are durations."""
    sample = np.sort(values[np.isfinite(values) & (values > 0)].astype(np.float64))
    n = len(sample)
    if not n:
        return Fit(Constant(kind="constant", value=number(0.0, seconds)), 0, 0, 0, 0, 0, sample, {})
    if sample[0] == sample[-1] or float(np.ptp(sample)) < 1e-9 * sample[-1]:
        return judged(Constant(kind="constant", value=number(float(sample[0]), seconds)), sample, sample, {})
    thin = sample if n <= MOST_FITTED else sample[((np.arange(MOST_FITTED) + 0.5) / MOST_FITTED * n).astype(np.int64)]
    if n < FEWEST:
        return judged(empirical(sample, seconds), sample, thin, {})
    found = [(judged(law, sample, thin, {}), score) for law, score in candidates(thin, seconds)]
    tried = {each.kind: each.distance for each, _ in found}
    good = [(score, each) for each, score in found if holds(each)]
    best = min(good, key=lambda pair: pair[0])[1] if good else judged(empirical(sample, seconds), sample, thin, {})
    return Fit(best.law, n, best.distance, best.p50, best.p99, best.mean, thin, tried)


def holds(each: Fit) -> bool:
    """Chance allows samples of n a distance of 1.36/√n and the tail of a small one to be off by more."""
    root = math.sqrt(each.n)
    spread = float(np.std(each.values) / np.mean(each.values))
    return (
        each.distance <= DISTANCE + 0.5 / root
        and abs(each.p50) <= MEDIAN + 0.5 * spread / root
        and abs(each.p99) <= TAIL + 3 * spread / root
        and abs(each.mean) <= MEAN + 0.5 * spread / root
    )


def candidates(sample: np.ndarray, seconds: bool) -> Iterator[tuple[Distribution, float]]:
    """Laws with their BIC."""
    logs = np.log(sample)
    n, cost = len(sample), math.log(len(sample))
    mu, sigma = float(logs.mean()), float(logs.std())
    yield lognormal(mu, sigma, seconds), 2 * cost - 2 * float(np.sum(-logs - np.log(sigma) - (logs - mu) ** 2 / (2 * sigma**2)))
    mean = float(sample.mean())
    shape = gamma_shape(math.log(mean) - mu)
    like = n * (shape * math.log(shape / mean) - math.lgamma(shape)) + (shape - 1) * logs.sum() - shape * sample.sum() / mean
    yield (
        Gamma(kind="gamma", mean=number(mean, seconds), cv=rounded(min(100.0, shape**-0.5))),
        2 * cost - 2 * float(like) - n * math.log(2 * math.pi),
    )
    power, scale = weibull(sample, logs)
    like = n * (math.log(power) - power * math.log(scale)) + (power - 1) * logs.sum() - np.sum((sample / scale) ** power)
    if 0 < power < 100:
        yield (
            Weibull(kind="weibull", scale=number(scale, seconds), shape=rounded(power)),
            2 * cost - 2 * float(like) - n * math.log(2 * math.pi),
        )
    parts, like = two_lognormals(logs)
    if parts:
        mixed = tuple(Part(weight=rounded(weight), of=lognormal(middle, spread, seconds)) for weight, middle, spread in parts)
        yield Mixture(kind="mixture", parts=mixed), 5 * cost - 2 * like


def gamma_shape(s: float) -> float:
    """Minka's start and Newton's steps for ln k - ψ(k) = s."""
    from scipy.special import digamma, polygamma

    k = (3 - s + math.sqrt((s - 3) ** 2 + 24 * s)) / (12 * s)
    for _ in range(20):
        k = max(1e-4, k - (math.log(k) - float(digamma(k)) - s) / (1 / k - float(polygamma(1, k))))
    return k


def weibull(sample: np.ndarray, logs: np.ndarray) -> tuple[float, float]:
    """Shape and scale by bisection of the likelihood's equation, over the sample relative to its largest value."""
    relative = logs - logs.max()
    low, high = 1e-2, 200.0
    for _ in range(60):
        k = math.sqrt(low * high)
        power = np.exp(k * relative)
        excess = float((power * relative).sum() / power.sum() - 1 / k - relative.mean())
        low, high = (low, k) if excess > 0 else (k, high)
    return k, float(np.exp(np.log(np.mean(np.exp(k * relative))) / k + logs.max()))


def two_lognormals(logs: np.ndarray) -> tuple[list[tuple[float, float, float]], float]:
    """Parts (weight, mean, standard deviation of the logarithm), heavier first, and twice-free log-likelihood as the others count it."""
    best: tuple[float, list[tuple[float, float, float]]] | None = None
    full = len(logs)
    logs = logs[:: max(1, full // MOST_MIXED)]
    for split in (0.5, 0.85, 0.2):
        cut = np.quantile(logs, split)
        w = np.array([split, 1 - split])
        low, high = logs[logs <= cut], logs[logs > cut]
        if not len(high):
            continue
        m, s = np.array([low.mean(), high.mean()]), np.array([low.std(), high.std()]) + 1e-3
        like = -np.inf
        for _ in range(120):
            density = w / s * np.exp(-(((logs[:, None] - m) / s) ** 2) / 2)
            total = density.sum(axis=1) + 1e-300
            now = float(np.sum(np.log(total) - logs))
            if now - like < 1e-6 * abs(now):
                break
            like, share = now, density / total[:, None]
            mass = share.sum(axis=0) + 1e-9
            w, m = mass / len(logs), (share * logs[:, None]).sum(axis=0) / mass
            s = np.maximum(np.sqrt((share * (logs[:, None] - m) ** 2).sum(axis=0) / mass), 1e-3)
        if w.min() > 0.003 and (best is None or like > best[0]):
            best = like, sorted(((float(a), float(b), float(c)) for a, b, c in zip(w, m, s, strict=True)), reverse=True)
    return (best[1], best[0] * full / len(logs)) if best else ([], 0.0)


def lognormal(mu: float, sigma: float, seconds: bool) -> Lognormal:
    return Lognormal(kind="lognormal", median=number(math.exp(mu), seconds), sigma=rounded(min(10.0, sigma)))


def empirical(sample: np.ndarray, seconds: bool) -> Empirical:
    """All values, or means of as many equal parts, so that the law's mean is the sample's; the largest parts singly for the tail."""
    n = len(sample)
    if n > KEPT_VALUES:
        edges = (np.arange(KEPT_VALUES + 1) * n) // KEPT_VALUES
        sample = np.add.reduceat(sample, edges[:-1]) / np.diff(edges)
    return Empirical(kind="empirical", values=tuple(number(float(value), seconds) for value in sample))


def judged(law: Distribution, sample: np.ndarray, thin: np.ndarray, tried: dict[str, float]) -> Fit:
    """``sample`` and ``thin`` are sorted."""
    drawn = np.sort(inverse(law)(GRID))
    below = np.searchsorted(drawn, thin, side="right") / len(drawn)
    place = (np.arange(len(thin)) + 1) / len(thin)
    distance = float(np.max(np.abs(below - place))) if law.kind not in ("constant", "empirical") else 0.0
    p50, p99 = (relative(np.quantile(drawn, q), of_sorted(sample, q)) for q in (0.5, 0.99))
    return Fit(law, len(sample), distance, p50, p99, relative(drawn.mean(), sample.mean()), thin, tried)


def of_sorted(sample: np.ndarray, share: float) -> float:
    """``np.quantile`` of what is sorted already."""
    place = share * (len(sample) - 1)
    low = math.floor(place)
    return float(sample[low] + (place - low) * (sample[min(low + 1, len(sample) - 1)] - sample[low]))


def relative(ours: float, theirs: float) -> float:
    return float(ours / theirs - 1) if theirs else 0.0


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


def number(value: float, seconds: bool) -> float:
    return Seconds(rounded(value)) if seconds else rounded(value)
