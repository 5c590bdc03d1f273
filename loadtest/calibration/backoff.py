"""Pauses between attempts: which law, and from which base?

Each law of the language is fitted to the pauses by maximum likelihood; that of the highest likelihood is reported with the P value of a
Kolmogorov-Smirnov test, unless another one comes within a factor of 20, or none fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log
from typing import NamedTuple

import numpy as np

from loadtest.calibration.figure import Figure, duration, found, roundest, unknown

KIND, BASE = "gateway.retry.backoff.kind", "gateway.retry.backoff.base"
AT_ONCE_S = 0.025
"""What a gateway takes from a failure to its next attempt without any pause."""
BLUR_S, BLUR = 0.012, 0.03  # of a pause, by the clocks and the gateway's own work
CLOCK_S = 0.003
"""That a timer, or the mock's clock, may be early."""
RIVAL = log(20.0)
LEAST = 5
MISFIT = 0.01  # P value below which a law does not fit


class Law(NamedTuple):
    """A law fitted to pauses. ``uniform``: the pauses as draws from (0, 1), if it is right; empty for a law without chance."""

    kind: str
    low_s: float
    high_s: float
    log_likelihood: float
    uniform: list[float]


def estimate_backoff(firsts: Sequence[float], both: Sequence[tuple[float, float]]) -> list[Figure]:
    """``firsts``: pauses before first retries; ``both``: (first, second) pauses of one request."""
    all_firsts = [*firsts, *(first for first, _ in both)]
    seconds = [second for _, second in both]
    if not all_firsts:
        why = "no attempt was made again at the same target"
        return [unknown("pauses", KIND, why), unknown("first pause", BASE, why)]
    told = describe(all_firsts, seconds)
    if max([*all_firsts, *seconds]) < AT_ONCE_S:
        return [found("pauses", KIND, "none", told)]
    if spread(all_firsts) and spread(seconds):
        return steady(all_firsts, seconds, told)
    if len(all_firsts) < LEAST:
        why = f"{told}: too few to tell a law"
        return [unknown("pauses", KIND, why), unknown("first pause", BASE, why)]
    laws = sorted(candidates(all_firsts, both), key=lambda law: -law.log_likelihood)
    if not laws:
        why = f"{told}: none of the laws of the language"
        return [unknown("pauses", KIND, why), unknown("first pause", BASE, why)]
    best = laws[0]
    p = fit_of(best)
    if p < MISFIT:
        why = f"{told}: {best.kind} is the nearest law, and does not fit (P = {p:.2g})"
        return [unknown("pauses", KIND, why), unknown("first pause", BASE, why)]
    if len(laws) > 1 and best.log_likelihood - laws[1].log_likelihood < RIVAL:
        why = f"{told}: {best.kind} and {laws[1].kind} fit about as well"
        return [unknown("pauses", KIND, why), unknown("first pause", BASE, why)]
    base_s = roundest(max(1e-3, best.low_s), best.high_s)
    return [
        found("pauses", KIND, best.kind, told, ks_p=round(p, 4), samples=len(all_firsts) + len(seconds)),
        found("first pause", BASE, duration(base_s), told, best.low_s, best.high_s),
    ]


def describe(firsts: Sequence[float], seconds: Sequence[float]) -> str:
    words = f"{len(firsts)} first pauses of {min(firsts):.3f} to {max(firsts):.3f} s (mean {np.mean(firsts):.3f})"
    if seconds:
        words += f", {len(seconds)} second ones of {min(seconds):.3f} to {max(seconds):.3f} s (mean {np.mean(seconds):.3f})"
    return words


def spread(pauses: Sequence[float]) -> bool:
    """Whether they are all alike, but for the blur."""
    return not pauses or max(pauses) - min(pauses) <= 2 * BLUR_S + 2 * BLUR * max(pauses)


def steady(firsts: Sequence[float], seconds: Sequence[float], told: str) -> list[Figure]:
    """Pauses without chance."""
    low, high = max(1e-3, min(firsts) - BLUR_S), min(firsts) + CLOCK_S
    base = found("first pause", BASE, duration(roundest(low, high)), told, low, max(firsts))
    if not seconds:
        why = f"{told}: with one retry, pauses that stay and pauses that grow look alike"
        return [unknown("pauses", KIND, why), base]
    factor = float(np.median(seconds) / np.median(firsts))
    for kind, grows in (("constant", 1.0), ("exponential", 2.0)):
        if abs(factor - grows) < 0.1 * grows + BLUR_S / min(firsts):
            return [found("pauses", KIND, kind, f"{told}: by a factor of {factor:.2f}"), base]
    return [unknown("pauses", KIND, f"{told}: they grow by a factor of {factor:.2f}, for which the language has no word"), base]


def candidates(firsts: Sequence[float], both: Sequence[tuple[float, float]]) -> list[Law]:
    scaled = [*firsts, *(second / 2.0 for _, second in both)]
    count = len(scaled)
    longest = max(scaled)
    grown = len(both) * log(2.0)
    laws = []
    # U(0, b 2^k): the largest is sufficient; its 95 % interval is [max, max / 0.05^(1/n)].
    highest = longest / 0.05 ** (1 / count)
    laws.append(Law("full-jitter", longest - BLUR_S, highest, -count * log(longest) - grown, [x / longest for x in scaled]))
    if longest - BLUR_S <= 2.0 * (min(scaled) + BLUR_S):  # U(b/2, b) 2^k
        low, high = longest - BLUR_S, 2.0 * min(scaled)
        base = max(low, min(high, longest))
        laws.append(
            Law("equal-jitter", low, max(low, high), -count * log(base / 2.0) - grown, [2.0 * x / base - 1.0 for x in scaled])
        )  # fmt: skip
    least = min([*firsts, *(second for _, second in both)])
    if max(firsts) - BLUR_S <= 3.0 * least:  # U(b, 3b), then U(b, 3 previous)
        base = max(least - BLUR_S, 1e-3)
        spans = [2.0 * base] * len(firsts) + [3.0 * first - base for first, _ in both]
        values = [*firsts, *(second for _, second in both)]
        if all(value - base <= span + 3.0 * BLUR_S for value, span in zip(values, spans, strict=True)):
            low = max(max(firsts) - BLUR_S, 1e-3) / 3.0
            uniform = [(value - base) / span for value, span in zip(values, spans, strict=True)]
            laws.append(Law("decorrelated-jitter", min(low, base), least, -sum(map(log, spans)), uniform))
    return [law for law in laws if law.log_likelihood > -inf]


def fit_of(law: Law) -> float:
    """P value of the pauses under the law, by Kolmogorov and Smirnov; the fitted base makes it a little generous."""
    from scipy.stats import kstest

    return float(kstest(np.clip(law.uniform, 0.0, 1.0), "uniform").pvalue)
