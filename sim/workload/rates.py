"""Rates over time, and the times at which expected counts are reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import Gamma, Poisson, Stages, Users

DAY_S = 86400.0
PEAK_HOUR = 14.0  # of the default daily profile; its trough is 12 hours away
POINTS = 1440  # of the default profile, linear in between: one a minute keeps it within 1e-5 of the sine
FINER, MOST_RISE = 4, 1000.0  # looks into the future between two times; a rate of nothing may become anything
SMALLEST = 1e-300  # keeps 0/0 away where a rate rises from zero


@dataclass(frozen=True)
class RateCurve:
    """A rate over time, linear in consecutive segments; an edge lies at time zero.

    Float64 columns of equal length: ``start_s``, ``end_s``, and the rates (1/s) at a segment's start and end.
    """

    start_s: np.ndarray
    end_s: np.ndarray
    first_rps: np.ndarray
    last_rps: np.ndarray

    @property
    def expected(self) -> np.ndarray:
        """Expected arrivals from time zero to each edge (one more than segments), negative before zero."""
        area = (self.end_s - self.start_s) * (self.first_rps + self.last_rps) / 2
        return np.concatenate([[0.0], np.cumsum(area)]) - area[self.end_s <= 0].sum()

    def times(self, expected: np.ndarray) -> np.ndarray:
        """Times (float64, s) at which the expected count reaches ``expected``, values between the first and last of ``self.expected``.

        Within a segment with first rate b and slope a, x after its start solves b x + a x²/2 = y: x = 2y / (b + √(b² + 2ay)), the form
        of the root that also holds for a = 0.
        """
        marks = self.expected
        if len(self.start_s) == 1 or np.ptp([*self.first_rps, *self.last_rps]) == 0:
            return expected / self.first_rps[0]
        segment = np.clip(np.searchsorted(marks, expected, side="right") - 1, 0, len(self.start_s) - 1)
        slope = (self.last_rps - self.first_rps) / (self.end_s - self.start_s)
        rest, rate = expected - marks[segment], self.first_rps[segment]
        root = np.sqrt(np.maximum(rate * rate + 2 * slope[segment] * rest, 0.0))
        return np.minimum(self.start_s[segment] + 2 * rest / np.maximum(rate + root, SMALLEST), self.end_s[segment])


def rate_curve(arrivals: Poisson | Gamma | Stages | Users, factor: float, low_s: float, high_s: float) -> RateCurve:
    """``factor`` times the scenario's rate from ``low_s`` (≤ 0) to ``high_s`` (> 0), in seconds from the start of the run.

    Before the start the rate is that of the start (stages) or of the same hour (users); after the last stage its rate holds.
    Raises ScenarioError for a daily profile without any calls.
    """
    match arrivals:
        case Stages():
            segments = stage_segments(arrivals, low_s, high_s)
        case Users():
            segments = daily_segments(arrivals, low_s, high_s)
        case _:
            segments = np.array([[low_s, high_s, arrivals.rate.rps, arrivals.rate.rps]])
    pieces = np.concatenate([cut(segments, low_s, 0.0), cut(segments, 0.0, high_s)])
    return RateCurve(pieces[:, 0], pieces[:, 1], pieces[:, 2] * factor, pieces[:, 3] * factor)


def cut(segments: np.ndarray, low_s: float, high_s: float) -> np.ndarray:
    """The parts of the segments (rows of start, end, first, last) between two times."""
    start, end, first, last = segments.T
    slope = (last - first) / (end - start)
    from_s, to_s = np.maximum(start, low_s), np.minimum(end, high_s)
    rows = np.stack([from_s, to_s, first + slope * (from_s - start), first + slope * (to_s - start)], axis=1)
    rows[:, 3] = np.where(to_s == end, last, rows[:, 3])
    return rows[from_s < to_s]


def stage_segments(arrivals: Stages, low_s: float, high_s: float) -> np.ndarray:
    first = arrivals.stages[0]
    rate, at = 0.0 if first.ramp else first.rate.rps, 0.0
    rows = [(low_s, 0.0, rate, rate)] if low_s < 0 else []
    for stage in arrivals.stages:
        if stage.duration > 0:
            rows.append((at, at + stage.duration, rate if stage.ramp else stage.rate.rps, stage.rate.rps))
        rate, at = stage.rate.rps, at + stage.duration
    if at < high_s:
        rows.append((at, high_s, rate, rate))
    return np.array(rows)


def daily_segments(arrivals: Users, low_s: float, high_s: float) -> np.ndarray:
    edges, first, last = daily_profile(arrivals)
    mean_rps = arrivals.daily_active * arrivals.calls_per_day / DAY_S
    start_s = arrivals.start_hour * 3600.0
    days = np.arange(np.floor((low_s + start_s) / DAY_S), np.ceil((high_s + start_s) / DAY_S)) * DAY_S - start_s
    starts, ends = (days[:, None] + edges[:-1]).ravel(), (days[:, None] + edges[1:]).ravel()
    return np.stack([starts, ends, np.tile(first * mean_rps, len(days)), np.tile(last * mean_rps, len(days))], axis=1)


def daily_profile(arrivals: Users) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges of the day's segments in seconds from midnight, and the rates at their starts and ends relative to the day's mean.

    A given profile holds each value for its part of the day. The default is a sine 1 + (p - 1) cos(2π(t - peak)/day) for a
    peak-to-mean p ≤ 2; a sine cannot be more peaked without going negative, so beyond 2 it is the same wave ((1 + cos)/2) raised to
    the power that has the peak-to-mean asked for.
    """
    if arrivals.profile is not None:
        relative = np.array(arrivals.profile, np.float64)
        if relative.sum() <= 0:
            problem = Problem("scenario", "expected a profile with at least one value above zero", path="workload.arrivals.profile")
            raise ScenarioError([problem])
        relative /= relative.mean()
        return np.linspace(0.0, DAY_S, len(relative) + 1), relative, relative
    edges = np.linspace(0.0, DAY_S, POINTS + 1)
    wave = np.cos(2 * np.pi * (edges / DAY_S - PEAK_HOUR / 24))
    if arrivals.peak_to_mean <= 2:
        relative = 1 + (arrivals.peak_to_mean - 1) * wave
    else:
        relative = ((1 + wave) / 2) ** peaked(arrivals.peak_to_mean)
        relative /= relative[:-1].mean()
    return edges, relative[:-1], relative[1:]


def peaked(peak_to_mean: float) -> float:
    """The power k at which ((1 + cos)/2)^k, whose peak is 1, has a mean of 1/peak_to_mean, by bisection."""
    wave = (1 + np.cos(2 * np.pi * np.arange(POINTS) / POINTS)) / 2
    low, high = 1.0, 1024.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 / np.mean(wave**middle) < peak_to_mean else (low, middle)
    return low


# ---- what is known of the traffic beforehand


def has_pattern(arrivals: Any) -> bool:
    """Whether the rate over time is stated, so that it can be foreseen."""
    return isinstance(arrivals, Poisson | Gamma | Stages | Users)


def rates_at(arrivals: Any, times_s: np.ndarray) -> np.ndarray:
    """The stated rate (1/s) at these times (ascending, from zero on); at a step the new one."""
    curve = rate_curve(arrivals, 1.0, 0.0, float(times_s[-1]) + 1.0)
    segment = np.searchsorted(curve.start_s, times_s, side="right") - 1
    part = (times_s - curve.start_s[segment]) / (curve.end_s - curve.start_s)[segment]
    return np.asarray(curve.first_rps[segment] + part * (curve.last_rps - curve.first_rps)[segment])


def foreseen(arrivals: Any, duration_s: float, every_s: float, lead_s: float) -> list[float]:
    """At whole multiples of ``every_s``: the highest rate from then until ``lead_s`` later, over the rate then; MOST_RISE at most."""
    looks = int(np.ceil(lead_s / every_s * FINER))
    count = int(np.ceil(duration_s / every_s)) + 1
    rates = rates_at(arrivals, np.arange(count * FINER + looks) * (every_s / FINER))
    highest = np.lib.stride_tricks.sliding_window_view(rates, looks + 1).max(axis=1)[: count * FINER : FINER]
    now = rates[: count * FINER : FINER]
    return np.minimum(highest / np.maximum(now, SMALLEST), MOST_RISE).tolist()


def busy_spans(arrivals: Any, duration_s: float, least_rps: float, lead_s: float) -> list[float]:
    """Begin, end, begin, end … of the spans in which the rate ``lead_s`` later is at least ``least_rps``, to a second."""
    times_s = np.arange(np.ceil(duration_s) + 1)
    busy = rates_at(arrivals, times_s + lead_s) >= least_rps
    edges = np.flatnonzero(np.diff(np.concatenate([[False], busy, [False]])))
    return edges.astype(float).tolist()
