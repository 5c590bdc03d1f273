"""A provider's latency, fitted: time to first token and per token, what prompts' length and load do to them, and a check by drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.importing.calls import Calls
from sim.importing.laws import ENOUGH_FOR_P99, Fit, empirical, fit, judged, relative
from sim.provider.draws import coupled
from sim.stochastics.distributions import inverse

MOST_ROWS = 60_000
P50_BAR, P99_BAR = 0.015, 0.04
"""Half of what an import may be off by."""
BINS = 16


@dataclass(frozen=True)
class Asked:
    """Columns over answers of one model: ``in_flight`` others of it when it came. NaN: not known."""

    duration_s: np.ndarray
    ttft_s: np.ndarray
    input_tokens: np.ndarray
    output_tokens: np.ndarray
    in_flight: np.ndarray

    def __len__(self) -> int:
        return len(self.duration_s)

    def where(self, rows: np.ndarray) -> Asked:
        return Asked(*(column[rows] for column in vars(self).values()))


@dataclass(frozen=True)
class Latency:
    """Either ``ttft`` with ``per_token`` (None: there is none) or ``whole``. ``p50``, ``p99``: relative errors of drawn latencies."""

    n: int
    ttft: Fit | None = None
    per_token: Fit | None = None
    whole: Fit | None = None
    ttft_per_1k: float = 0.0
    doubles_at: int | None = None
    correlation: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    why: str = ""

    @property
    def off(self) -> float:
        """How far off, in bars; 1 and less is within."""
        return max(abs(self.p50) / P50_BAR, abs(self.p99) / P99_BAR)

    @property
    def says(self) -> str:
        told = f"drawn over the log's own tokens: P50 {self.p50:+.1%}, P99 {self.p99:+.1%} (n {self.n:,})"
        if self.n < ENOUGH_FOR_P99:
            told += "; too little data for its P99"
        return told + (f"; {self.why}" if self.why else "")


def answers_of(rows: Calls) -> Asked:
    """Answers whose latency is known, of one model: evenly spread ones where there are more than MOST_ROWS."""
    good = np.flatnonzero(rows.asked & np.isfinite(rows.duration_s) & (rows.duration_s > 0))
    if len(good) > MOST_ROWS:
        good = good[(np.arange(MOST_ROWS) * (len(good) / MOST_ROWS)).astype(np.int64)]
    busy = in_flight(rows.start_s, rows.duration_s, good)
    return Asked(rows.duration_s[good], rows.ttft_s[good], rows.input_tokens[good], rows.output_tokens[good], busy)


def fit_latency(asked: Asked) -> Latency | None:
    """None where the log has no latencies. The plainest form that reproduces the log's P50 and P99 is taken."""
    if not len(asked):
        return None
    best: Latency | None = None
    for attempt, enough in ((by_first_token, 1), (by_first_token_seen, 2), (by_tokens, 2), (as_a_whole, 1), (as_a_whole_seen, 1)):
        found = attempt(asked)
        if found is not None and (best is None or found.off < best.off):
            best = found
        if best is not None and best.off <= enough:
            break
    return best


def by_first_token(asked: Asked, seen: bool = False) -> Latency | None:
    """From times to first token; ``seen``: with the sample itself for laws."""
    known = np.isfinite(asked.ttft_s) & (asked.ttft_s > 0) & np.isfinite(asked.output_tokens)
    if known.sum() < max(10, 0.3 * len(asked)):
        return None
    streamed = known & (asked.output_tokens >= 2)
    rows = asked.where(np.flatnonzero(known))
    slope = prompt_slope(rows)
    base = rows.ttft_s - slope * np.nan_to_num(rows.input_tokens) / 1000
    floor = np.quantile(rows.ttft_s, 0.02) * 0.2
    base = np.maximum(base, floor)
    first = law_of(base, seen)
    many = asked.where(np.flatnonzero(streamed))
    if not len(many):
        return checked(asked, Latency(len(rows), ttft=first, ttft_per_1k=slope))
    each = (many.duration_s - many.ttft_s) / (many.output_tokens - 1)
    full = each > 0
    if full.mean() < 0.2:  # answers came whole: nothing is streamed
        return checked(asked, Latency(len(rows), ttft=first, ttft_per_1k=slope, why="the log's first token comes with the last"))
    doubles = load_effect(each[full], many.in_flight[full])
    pace = each[full] / (1 + (many.in_flight[full] / doubles if doubles else 0.0))
    trusted = pace[many.output_tokens[full] >= np.quantile(many.output_tokens[full], 0.25)]
    rest = base[(rows.output_tokens >= 2)][full]
    rank = correlation(rest, pace)
    return checked(asked, Latency(len(rows), first, law_of(trusted, seen), None, slope, doubles, rank))


def by_first_token_seen(asked: Asked) -> Latency | None:
    return by_first_token(asked, seen=True)


def by_tokens(asked: Asked) -> Latency | None:
    """Without times to first token: the part that grows with the answer's length is per token."""
    known = np.isfinite(asked.output_tokens) & (asked.output_tokens >= 1)
    rows = asked.where(np.flatnonzero(known))
    if len(rows) < 100 or np.ptp(rows.output_tokens) < 8 or np.isfinite(asked.ttft_s).mean() > 0.3:
        return None
    middle = medians(rows.output_tokens, rows.duration_s)
    if len(middle) < 4:
        return None
    slope, start = np.polyfit(middle[:, 0] - 1, middle[:, 1], 1, w=np.sqrt(middle[:, 2]) / np.maximum(middle[:, 1], 1e-9))
    if slope <= 0:
        return None
    start = float(np.clip(start, 0.05 * np.median(rows.duration_s), 0.9 * np.quantile(rows.duration_s, 0.05)))
    long = rows.output_tokens >= max(2.0, float(np.quantile(rows.output_tokens, 0.25)))
    pace = np.maximum(rows.duration_s[long] - start, 1e-4) / (rows.output_tokens[long] - 1)
    why = "the log has no times to first token: its share of the whole is by regression on the answer's length"
    return checked(asked, Latency(len(rows), fit(np.full(len(rows), start), True), fit(pace, True), why=why))


def as_a_whole(asked: Asked, seen: bool = False) -> Latency | None:
    """The whole answer at once: what it says about longer answers is nothing, and its comment says so."""
    why = "as a whole, whatever the answer's length: other tokens than the log's are not predicted"
    return checked(asked, Latency(len(asked), whole=law_of(asked.duration_s, seen), why=why))


def as_a_whole_seen(asked: Asked) -> Latency | None:
    return as_a_whole(asked, seen=True)


def law_of(values: np.ndarray, seen: bool) -> Fit:
    if not seen:
        return fit(values, True)
    sample = np.sort(values[values > 0].astype(np.float64))
    return judged(empirical(sample, True), sample, sample, {})


def medians(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(mean x, median y, count) of parts with equally many rows."""
    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, min(BINS, max(1, len(x) // 20))) if len(part)]
    return np.array([(x[part].mean(), np.median(y[part]), len(part)) for part in parts])


def line(middle: np.ndarray) -> tuple[float, float, float]:
    """Slope, start and the slope's standard errors from zero, by least squares over medians."""
    if len(middle) < 4 or np.ptp(middle[:, 0]) == 0:
        return 0.0, 0.0, 0.0
    (slope, start), covariance = np.polyfit(middle[:, 0], middle[:, 1], 1, cov=True)
    return float(slope), float(start), float(slope / math.sqrt(max(covariance[0, 0], 1e-300)))


def prompt_slope(rows: Asked) -> float:
    """Seconds of the first token's time per 1000 input tokens; 0 unless it is plain and matters."""
    known = np.isfinite(rows.input_tokens)
    if known.sum() < 200:
        return 0.0
    middle = medians(rows.input_tokens[known], rows.ttft_s[known])
    slope, start, sure = line(middle)
    matters = slope * np.ptp(middle[:, 0]) > 0.05 * np.median(rows.ttft_s)
    if sure < 4 or not matters or start <= 0:
        return 0.0
    return float(f"{min(slope * 1000, 1000 * 0.9 * float(np.min(middle[:, 1] / middle[:, 0]))):.3g}")


def load_effect(pace: np.ndarray, in_flight: np.ndarray) -> int | None:
    """``doubles_at``: with so many others in flight a token takes twice as long; None unless it is plain and matters."""
    known = np.isfinite(in_flight)
    if known.sum() < 500 or np.ptp(in_flight[known]) < 4:
        return None
    middle = medians(in_flight[known], pace[known])
    slope, start, sure = line(middle)
    if sure < 5 or start <= 0 or slope * np.ptp(middle[:, 0]) < 0.1 * start:
        return None
    return max(1, round(start / slope))


def correlation(first: np.ndarray, pace: np.ndarray) -> float:
    """Of the normal scores, from Spearman's rank correlation: 2 sin(π ρ / 6). 0 unless it is plain."""
    if len(first) < 200:
        return 0.0
    ranks = np.stack([np.argsort(np.argsort(column)) for column in (first, pace)]).astype(np.float64)
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    rho = float((centred[0] * centred[1]).sum() / max(1e-300, np.sqrt((centred**2).sum(axis=1).prod())))
    return round(2 * math.sin(math.pi * rho / 6), 2) if math.isfinite(rho) and abs(rho) > 0.1 else 0.0


def checked(asked: Asked, found: Latency) -> Latency:
    """With the errors of latencies drawn from it, over the log's own tokens and load."""
    known = np.isfinite(asked.output_tokens) if found.whole is None else np.ones(len(asked), bool)
    rows = asked.where(np.flatnonzero(known))
    times = max(1, 40_000 // max(1, len(rows)))
    random = np.random.default_rng(1)
    count = times * len(rows)
    luck = random.random(count)
    if found.whole is not None:
        drawn = inverse(found.whole.law)(luck)
    else:
        assert found.ttft is not None
        drawn = inverse(found.ttft.law)(luck) + found.ttft_per_1k * np.tile(np.nan_to_num(rows.input_tokens), times) / 1000
        if found.per_token is not None:
            own = random.random(count)
            pace = inverse(found.per_token.law)(coupled(luck, own, found.correlation) if found.correlation else own)
            pace *= 1 + (np.tile(np.nan_to_num(rows.in_flight), times) / found.doubles_at if found.doubles_at else 0.0)
            drawn += pace * np.maximum(np.tile(rows.output_tokens, times) - 1, 0)
    p50, p99 = (relative(np.quantile(drawn, q), np.quantile(rows.duration_s, q)) for q in (0.5, 0.99))
    return Latency(**{**vars(found), "p50": p50, "p99": p99})


def in_flight(start_s: np.ndarray, duration_s: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Others under way when each call of ``rows`` comes, float32; all are in order of their start."""
    end_s = np.sort(start_s + np.nan_to_num(duration_s))
    return (rows - np.searchsorted(end_s, start_s[rows], side="right")).astype(np.float32)
