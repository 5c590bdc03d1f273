"""Streams: does the first token reach the client when it comes, and the others as they come?

The same streams are read through the gateway and, where the mock speaks the client's dialect, from the mock itself: the difference is the
gateway's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loadtest.calibration.bench import TOKEN_S, Attempt, Bench, Probe
from loadtest.calibration.figure import Figure, duration, found, nothing, unknown

STREAMS, TOKENS = 15, 40
HELD_S = 0.015
"""A first token that is this much later than the gateway's own work explains is held back."""
LUMP = 3.0


async def experiment(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    count = STREAMS if bench.limit is None else min(STREAMS, bench.limit[0] // 2)
    if count < 3:
        return [unknown("first token held back", None, "the rate limit lets too few requests pass")]
    await bench.room(2 * count)
    streams = [await bench.ask(tokens=TOKENS, stream=True) for _ in range(count)]
    wholes = [await bench.ask() for _ in range(count)]
    attempts = await bench.attempts_of([*streams, *wholes])
    return estimate([(probe, attempts[probe.prompt]) for probe in streams], [(probe, attempts[probe.prompt]) for probe in wholes])


def estimate(streams: Sequence[tuple[Probe, list[Attempt]]], wholes: Sequence[tuple[Probe, list[Attempt]]]) -> list[Figure]:
    """How much later than a whole answer's way back a stream's first token comes; the interval is that of the median."""
    first = np.array([probe.first_s - rows[0].started_s - rows[0].first_token_s for probe, rows in streams if rows and probe.chunks_s])
    back = np.array([probe.ended_s - rows[0].ended_s for probe, rows in wholes if rows and probe.ok])
    if len(first) < 3 or len(back) < 3:
        return [unknown("first token held back", None, "too few streams were answered")]
    held = first - np.median(back)
    low, high = median_interval(held)
    median = float(np.median(held))
    evidence = (
        f"{len(first)} first tokens came {median * 1e3:.1f} ms later than a whole answer's way back ({low * 1e3:.1f} to {high * 1e3:.1f})"
    )
    lags = nothing("first token held back", None, evidence)
    if low > HELD_S:
        lags = found("first token held back", None, duration(median), evidence, low, high)
    gaps = np.array([gap for probe, _ in streams for gap in np.diff(probe.chunks_s)])
    seen = np.mean([len(probe.chunks_s) for probe, _ in streams])
    steps = f"of {TOKENS} tokens {TOKEN_S * 1e3:g} ms apart, {seen:.1f} came by themselves"
    if len(gaps) and np.quantile(gaps, 0.5) < LUMP * TOKEN_S and seen > 0.5 * TOKENS:
        return [lags, nothing("tokens held back", None, steps)]
    gathered_s = float(np.median(gaps)) if len(gaps) else float("inf")
    words = "the whole stream" if not len(gaps) else duration(gathered_s)
    return [lags, found("tokens held back", None, words, steps)]


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """95 %, by order statistics (binomial)."""
    from scipy.stats import binom

    ordered, count = np.sort(values), len(values)
    place = int(binom.ppf(0.025, count, 0.5))
    return float(ordered[max(0, place - 1)]), float(ordered[min(count - 1, count - place)])
