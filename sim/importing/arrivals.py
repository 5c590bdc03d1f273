"""When calls come, fitted: a constant rate (Poisson or bursty), a rate in stages, or the shape of a day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.importing.noted import Evidence, seconds

DAY_S = 86_400.0
DAILY_FROM_S = 1.5 * DAY_S
MOST_STAGES = 24
PER_BIN = 50
LOCAL = 32
MOST_CALLS = 250_000
"""Of a scenario's run; the log of more is represented by a part of its time."""


@dataclass(frozen=True)
class Arriving:
    """``data``: workload.arrivals of the scenario; ``offset_s``: where in the log its run begins."""

    data: dict[str, Any]
    duration_s: float
    offset_s: float
    evidence: Evidence


def fit_arrivals(start_s: np.ndarray, users_a_day: float | None, timed: bool = True) -> Arriving:
    """``start_s``: sorted epoch seconds, or seconds of a trace's own clock."""
    n, at = len(start_s), start_s - start_s[0]
    span = float(at[-1]) * n / max(1, n - 1) if n > 1 and at[-1] > 0 else 1.0  # one more gap, after the last
    rate = n / span
    figure = {
        "kind": "arrivals",
        "at_s": at if n <= MOST_CALLS else at[:: n // MOST_CALLS + 1],
        "span_s": span,
        "rate": rate * min(1.0, MOST_CALLS / n),
    }
    if not timed or n < 30:
        why = "the log has no times: this rate is an ASSUMPTION" if not timed else f"n {n}: TOO LITTLE DATA for more than a mean rate"
        return constant(rate, 1.0, n, span, Evidence("workload.arrivals", why, weak=True, figure=figure))
    cv, told = burstiness(at)
    dispersion, bins = spread_of_counts(at, span)
    varying = bins >= 4 and dispersion > cv**2 * (1 + 3 * math.sqrt(2 / (bins - 1)))
    told = f"n {n:,} in {seconds(span)}; {told}; counts of {bins} equal spans: variance/mean {dispersion:.3g}"
    if span >= DAILY_FROM_S:
        return daily(start_s, span, users_a_day, cv, Evidence("workload.arrivals", told, figure=figure))
    if varying:
        return staged(at, span, cv, Evidence("workload.arrivals", told, figure=figure))
    return constant(rate, cv, n, span, Evidence("workload.arrivals", told + ": a constant rate", figure=figure))


def burstiness(at: np.ndarray) -> tuple[float, str]:
    """Coefficient of variation of the gaps over their local mean, so that a rate that swells does not count as bursts."""
    gaps = np.diff(at)
    if (gaps == 0).mean() > 0.3:
        return 1.0, "the clock is too coarse to tell bursts: Poisson is an ASSUMPTION"
    size = min(LOCAL, len(gaps))
    local = gaps[: len(gaps) // size * size].reshape(-1, size)
    mean = local.mean(axis=1, keepdims=True)
    # Within blocks of k gaps the variance about the block's own mean is too small by (k - 1) / (k + cv²).
    raw = float(np.mean((local - mean) ** 2 / np.maximum(mean, 1e-12) ** 2))
    square = raw * size / max(1e-9, size - 1 - raw)
    cv = math.sqrt(square)
    return cv, f"cv of gaps {cv:.2f} ± {2 * cv / math.sqrt(len(gaps)):.2g}"


def spread_of_counts(at: np.ndarray, span: float) -> tuple[float, int]:
    bins = int(np.clip(len(at) / PER_BIN, 1, 48))
    counts = np.histogram(at, bins, (0, span))[0]
    return float(counts.var(ddof=1) / counts.mean()) if bins > 1 else 1.0, bins


def constant(rate: float, cv: float, n: int, span: float, evidence: Evidence) -> Arriving:
    duration = min(span, MOST_CALLS / rate)
    bursty = abs(cv - 1) > max(0.05, 3 * cv / math.sqrt(2 * n))
    shape = {"cv": float(f"{cv:.3g}")} if bursty else {}
    return Arriving({"kind": "gamma" if bursty else "poisson", "rate": per_time(rate), **shape}, duration, 0.0, evidence)


def per_time(rate: float) -> str:
    return f"{rate:.5g}/s" if rate >= 0.1 else f"{rate * 3600:.5g}/h"


def staged(at: np.ndarray, span: float, cv: float, evidence: Evidence) -> Arriving:
    """Spans of a constant rate: neighbours are joined while they differ least, and while that is within what chance does."""
    bins = int(np.clip(len(at) / PER_BIN, 4, 96))
    counts = np.histogram(at, bins, (0, span))[0].astype(float).tolist()
    lengths = [span / bins] * bins
    while len(counts) > 1:
        z = [differ(counts[i], lengths[i], counts[i + 1], lengths[i + 1], cv) for i in range(len(counts) - 1)]
        least = int(np.argmin(z))
        if z[least] > 2.5 and len(counts) <= MOST_STAGES:
            break
        counts[least : least + 2] = [sum(counts[least : least + 2])]
        lengths[least : least + 2] = [sum(lengths[least : least + 2])]
    stages = [
        {"rate": per_time(max(count, 0) / length), "duration": f"{length:.9g}s"} for count, length in zip(counts, lengths, strict=True)
    ]
    total = sum(float(stage["duration"][:-1]) for stage in stages)
    evidence.says += f": the rate changes, {len(stages)} stages"
    if cv > 1.15:
        evidence.says += f"; within a stage calls are burstier (cv {cv:.2f}) than the Poisson arrivals that stages have"
    evidence.figure["stages"] = [(count / length, length) for count, length in zip(counts, lengths, strict=True)]
    return Arriving({"kind": "stages", "stages": stages}, total, 0.0, evidence)


def differ(a: float, s: float, b: float, t: float, cv: float) -> float:
    """Standard deviations between two rates."""
    return abs(a / s - b / t) / (max(cv, 0.3) * math.sqrt((a + 1) / s**2 + (b + 1) / t**2))


def daily(start_s: np.ndarray, span: float, users_a_day: float | None, cv: float, evidence: Evidence) -> Arriving:
    """The day's profile by hours in UTC, over all days of the log."""
    hours = (start_s % DAY_S // 3600).astype(int)
    counts = np.bincount(hours, minlength=24).astype(float)
    edges = np.arange(math.floor(start_s[0] / 3600), math.ceil((start_s[0] + span) / 3600) + 1) * 3600.0
    covered = np.clip(np.minimum(edges[1:], start_s[0] + span) - np.maximum(edges[:-1], start_s[0]), 0, None)
    exposure = np.bincount((edges[:-1] % DAY_S // 3600).astype(int), covered, minlength=24)
    rates = counts / np.maximum(exposure, 1e-9)
    profile = rates / rates.mean()
    calls_a_day = float(rates.mean() * DAY_S)
    active = max(1, round(users_a_day or calls_a_day))
    peak = int(np.argmax(rates))
    begin = (start_s[0] % DAY_S) / 3600
    duration, offset = DAY_S, 0.0
    if calls_a_day > MOST_CALLS:
        begin, duration = float(peak), max(3600.0, MOST_CALLS / rates[peak])
        offset = math.nan
        evidence.says += f"; the run is the part of the day from its busiest hour ({peak}:00 UTC) that holds about {MOST_CALLS:,} calls"
    evidence.says += f"; peak/mean of the day's hours {profile.max():.2f}, over {span / DAY_S:.1f} days"
    if users_a_day is None:
        evidence.says += "; the log names no users: one call a day each is an ASSUMPTION"
    if cv > 1.15:
        evidence.says += f"; calls are burstier (cv {cv:.2f}) than the Poisson arrivals of a day's profile"
    evidence.figure["profile"] = profile.tolist()
    data = {
        "kind": "users", "daily_active": active, "calls_per_day": float(f"{calls_a_day / active:.5g}"),
        "profile": [float(f"{each:.3g}") for each in profile], "start_hour": float(f"{begin:.4g}") % 24,
    }  # fmt: skip
    return Arriving(data, duration, offset, evidence)
