"""Streams: does the first token reach the client when it comes, and the others as they come?

The same streams are read through the gateway and, where the mock speaks the client's dialect, from the mock itself: the difference is the
gateway's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from loadtest.calibration.bench import TOKEN_S, Attempt, Bench, Probe
from loadtest.calibration.figure import Figure, duration, found, nothing, unknown

TIME, PIECES = "gateway.held_writes.time", "gateway.held_writes.pieces"
STREAMS, TOKENS = 15, 40
SLOW_STREAMS, SLOW_TOKENS = 5, 6
HELD_S = 0.015
"""A first token that is this much later than the gateway's own work explains is held back."""
LUMP = 3.0
WHOLE = 0.8
"""What is held back for so much of a stream's length waits for its end."""
Streams = Sequence[tuple[Probe, list[Attempt]]]


async def experiment(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    count = STREAMS if bench.limit is None else min(STREAMS, (bench.limit[0] - SLOW_STREAMS) // 3)
    if count < 3:
        return [unknown("first token held back", TIME, "the rate limit lets too few requests pass")]
    await bench.room(3 * count + SLOW_STREAMS)
    alone = [await bench.ask(tokens=TOKENS, stream=True) for _ in range(count)]
    beside = await bench.together(count, 0.0, tokens=TOKENS, stream=True)
    wholes = [await bench.ask() for _ in range(count)]
    async with bench.slow_tokens():
        slow = await bench.together(SLOW_STREAMS, 0.0, tokens=SLOW_TOKENS, stream=True)
    attempts = await bench.attempts_of([*alone, *beside, *slow, *wholes])
    return estimate(*([(probe, attempts[probe.prompt]) for probe in probes] for probes in (alone, beside, slow, wholes)))


def estimate(alone: Streams, beside: Streams, slow: Streams, wholes: Streams) -> list[Figure]:
    """How much later than a whole answer's way back a stream's first token comes; the intervals are those of medians.

    What is held back for a time is so in ``slow`` streams too. Quick ones may be sooner, one by one (``alone``) or many at once
    (``beside``): the gateway waits for so many pieces at most.
    """
    back = np.array([probe.ended_s - rows[0].ended_s for probe, rows in wholes if rows and probe.ok])
    held = [late_s(streams) - np.median(back) for streams in (alone, beside, slow)] if len(back) >= 3 else []
    if not held or min(map(len, held)) < 3:
        return [unknown("first token held back", TIME, "too few streams were answered")]
    _, low, _ = median_interval(held[0])
    gaps = np.array([gap for probe, _ in alone for gap in np.diff(probe.chunks_s)])
    seen = np.mean([len(probe.chunks_s) for probe, _ in alone])
    steps = f"of {TOKENS} tokens {TOKEN_S * 1e3:g} ms apart, {seen:.1f} came by themselves"
    gathered_s = float(np.median(gaps)) if len(gaps) else inf
    at_once = gathered_s < LUMP * TOKEN_S and seen > 0.5 * TOKENS
    if low <= HELD_S:
        lags = [nothing("first token held back", TIME, told(held[0]))]
    elif at_once or np.median(held[2]) > WHOLE * np.median([rows[0].ended_s - rows[0].started_s for _, rows in slow if rows]):
        lags = [first_token(held[0], None)]  # the first one only, or until the stream is over
    else:
        lags = [first_token(held[2], TIME), pieces(min(held[:2], key=np.median), median_interval(held[2])[1])]
    words = "the whole stream" if not len(gaps) else duration(gathered_s)
    return [*lags, nothing("tokens held back", None, steps) if at_once else found("tokens held back", None, words, steps)]


def late_s(streams: Streams) -> np.ndarray:
    return np.array([probe.first_s - rows[0].started_s - rows[0].first_token_s for probe, rows in streams if rows and probe.chunks_s])


def told(held_s: np.ndarray) -> str:
    median, low, high = (value * 1e3 for value in median_interval(held_s))
    return f"{len(held_s)} first tokens came {median:.1f} ms later than a whole answer's way back ({low:.1f} to {high:.1f})"


def first_token(held_s: np.ndarray, path: str | None) -> Figure:
    median_s, low, high = median_interval(held_s)
    return found("first token held back", path, duration(median_s), told(held_s), low, high)


def pieces(held_s: np.ndarray, time_s: float) -> Figure:
    """Held back for less long than ``time_s``, quick streams wait for so many pieces."""
    median_s, low, high = median_interval(held_s)
    if high >= time_s:
        return nothing("pieces held back at most", PIECES, told(held_s))
    evidence = f"quick streams, {TOKEN_S * 1e3:g} ms a token: {told(held_s)}"
    return found("pieces held back at most", PIECES, round(median_s / TOKEN_S), evidence, low / TOKEN_S, high / TOKEN_S)


def median_interval(values: np.ndarray) -> tuple[float, float, float]:
    """(median, low, high), 95 %, by order statistics (binomial)."""
    from scipy.stats import binom

    ordered, count = np.sort(values), len(values)
    place = int(binom.ppf(0.025, count, 0.5))
    return float(np.median(values)), float(ordered[max(0, place - 1)]), float(ordered[min(count - 1, count - place)])
