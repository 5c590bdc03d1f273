"""The search for the largest scale, on budgets whose figures are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from sim.whatif.capacity import COARSE, LEAST, TOLERANCE, largest_scale
from tests.sim.whatif.documents import document

BUDGET = ("latency.p99 < 2s",)


def growing(limit_at: float, half: float = 0.05) -> Callable[[float], dict[str, Any]]:
    """A P99 proportional to the scale, which reaches the budget's 2 s at ``limit_at``."""
    return lambda scale: document(p99_s=2 * scale / limit_at, budgets=BUDGET, half=half, scale=scale)


@pytest.mark.parametrize("limit_at", [0.013, 0.7, 1.0, 1.004, 6.37, 250.0])
def test_the_edge_is_found_above_and_below_1x(limit_at: float) -> None:
    found = largest_scale(growing(limit_at), 1000)
    holds, breaks = found.edge
    assert holds is not None
    assert breaks is not None
    assert holds < limit_at <= breaks <= holds * (1 + 1.2 * TOLERANCE)


def test_the_interval_is_where_the_budgets_own_interval_leaves_the_limit() -> None:
    found = largest_scale(growing(6.37), 1000)
    assert found.low == pytest.approx(6.37 / 1.05, rel=1.2 * COARSE)
    assert found.high == pytest.approx(6.37 / 0.95, rel=1.2 * COARSE)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 6.37 / 1.05
    assert found.high >= 6.37 / 0.95


def test_no_scale_is_predicted_twice_and_few_are() -> None:
    asked: list[float] = []

    def evaluate(scale: float) -> dict[str, Any]:
        asked.append(scale)
        return growing(6.37)(scale)

    largest_scale(evaluate, 1000)
    assert len(asked) == len(set(asked)) <= 25
    assert all(scale == float(f"{scale:.3g}") for scale in asked)


def test_what_holds_everywhere_has_no_upper_end() -> None:
    found = largest_scale(growing(1e9), 100)
    assert found.edge == (100, None)
    assert found.high is None
    assert max(found.points) == 100


def test_what_holds_nowhere_is_tried_down_to_the_least_scale() -> None:
    found = largest_scale(lambda scale: document(p99_s=9.0, budgets=BUDGET), 1000)
    assert found.edge.holds is None
    assert found.edge.breaks == LEAST


def test_a_figure_without_an_interval_gives_none() -> None:
    def evaluate(scale: float) -> dict[str, Any]:
        made = growing(5.0)(scale)
        made["budgets"][0]["value"] |= {"low": None, "high": None}
        return made

    found = largest_scale(evaluate, 1000)
    assert (found.low, found.high) == (None, None)
    assert found.edge.holds == pytest.approx(5.0, rel=TOLERANCE)


def test_too_few_samples_do_not_pass_for_holding() -> None:
    found = largest_scale(lambda scale: document(p99_s=None if scale < 3 else math.inf, budgets=BUDGET), 1000)
    assert found.edge.holds is None
