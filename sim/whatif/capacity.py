"""The largest scale within all budgets, by bisection over scales that run with the same random numbers.

A scale holds if every budget does, judged as ``tenfold check`` judges it: by the figures of all replications together. The interval of the
largest scale turns the intervals of those figures, which come from the spread between replications, back into scales (as Woodruff's does
for quantiles): its lower end is the largest scale at which every budget holds over its whole interval, its upper end the smallest at which
some budget is broken over its whole interval. A verdict of each replication alone would say less: the P99 of a short replication lies below
that of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from sim.formatting import Document
from sim.whatif.budgets import possibly, surely
from sim.whatif.evaluation import holds

DIGITS = 3
"""Significant digits of a scale, so that what is printed is what was predicted."""
TOLERANCE = 0.01
"""Relative distance between the largest scale that holds and the smallest that does not."""
COARSE = 0.02
"""The same, of the ends of the interval."""
LEAST = 0.001
STEP = 2.0
NEAR_STEP = 1.1
"""The first step from an edge to one nearby; each is the square of the one before it, up to STEP."""


class Edge(NamedTuple):
    """``holds`` is the largest scale found to hold, None if none did; ``breaks`` the next larger one found not to, None if none was."""

    holds: float | None
    breaks: float | None


class Capacity(NamedTuple):
    """``edge`` by the budgets' values; ``low`` and ``high`` bound where it lies, None where an end was not reached or cannot be had.

    ``points``: the documents of all the scales that were predicted, by scale.
    """

    edge: Edge
    low: float | None
    high: float | None
    points: dict[float, Document]


def largest_scale(evaluate: Callable[[float], Document], most: float) -> Capacity:
    """``evaluate`` says what ``figures_of`` says of a scale. No scale above ``most`` is tried."""
    points: dict[float, Document] = {}

    def at(scale: float) -> Document:
        if scale not in points:
            points[scale] = evaluate(scale)
        return points[scale]

    found = edge(lambda scale: holds(at(scale)), points, most, TOLERANCE)
    if not has_intervals(points):
        return Capacity(found, None, None, points)
    sure = edge(lambda scale: all(map(surely, at(scale)["budgets"])), points, most, COARSE, found)
    possible = edge(lambda scale: all(map(possibly, at(scale)["budgets"])), points, most, COARSE, found)
    return Capacity(found, sure.holds, possible.breaks, points)


def edge(good: Callable[[float], bool], points: dict[float, Any], most: float, tolerance: float, near: Edge | None = None) -> Edge:
    """Where ``good`` ends, by steps of STEP up or down from 1x (or from an edge nearby), and bisection between the last two."""
    start = (near and (near.holds or near.breaks)) or min(1.0, most)
    low, high = (start, None) if good(start) else (None, start)
    step = NEAR_STEP if near else STEP
    while high is None and low is not None and low < most:
        known = next_known(points, low, above=True) if near else math.inf
        scale = min(most, rounded(low * step), known)
        low, high = (scale, None) if good(scale) else (low, scale)
        step = min(STEP, step**2)
    step = NEAR_STEP if near else STEP
    while low is None and high is not None and high > LEAST:
        known = next_known(points, high, above=False) if near else 0.0
        scale = max(LEAST, rounded(high / step), known)
        low, high = (scale, high) if good(scale) else (None, scale)
        step = min(STEP, step**2)
    while low is not None and high is not None and high / low > 1 + tolerance:
        middle = rounded(math.sqrt(low * high))
        if not low < middle < high:
            break
        low, high = (middle, high) if good(middle) else (low, middle)
    return Edge(low, high)


def next_known(points: dict[float, Any], scale: float, above: bool) -> float:
    """The nearest scale predicted already on that side."""
    return (
        min((each for each in points if each > scale), default=math.inf)
        if above
        else max((each for each in points if each < scale), default=0.0)
    )


def rounded(scale: float) -> float:
    return float(f"{scale:.{DIGITS}g}")


def has_intervals(points: dict[float, Document]) -> bool:
    """Every budget's figure has bounds at some scale."""
    budgets = zip(*(point["budgets"] for point in points.values()), strict=True)
    return all(any(each["value"]["low"] is not None and each["value"]["high"] is not None for each in same) for same in budgets)
