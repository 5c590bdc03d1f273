"""The limit reached first is named with its numbers."""

from typing import Any

import pytest
from synthetic_runs import rows, run_of, synthetic_run

from sim.binding import binding, binding_limit, figure


def row(limit: str, demand: float, capacity: float, refused: int = 0) -> dict[str, Any]:
    return {"limit": limit, "capacity": capacity, "unit": "requests/s", "demand": demand, "load": demand / capacity, "refused": refused}


def test_the_limit_with_the_highest_load_binds() -> None:
    run = run_of(rows(10), usage=[row("a", 50, 100), row("b", 400, 100, refused=12_345), row("c", 120, 100)])
    assert binding(run) == "b binds: 400 requests/s asked of 100 (load 4.00), 12,345 refused; next c (load 1.2)"
    assert binding_limit(run) == run.usage[1]


def test_below_nine_tenths_nothing_binds_and_the_nearest_limit_is_named() -> None:
    run = run_of(rows(10), usage=[row("a", 0.14, 100), row("b", 89, 100)])
    assert binding(run) == "nothing binds; the nearest limit is b: 89 requests/s asked of 100 (load 0.89)"
    assert binding_limit(run) is None


def test_without_limits_that_is_said() -> None:
    assert binding(run_of(rows(10))) == "nothing binds: the scenario sets no limit that was used"


def test_more_traffic_reaches_a_limit() -> None:
    assert binding(synthetic_run(scale=1)).startswith("nothing binds")
    assert binding(synthetic_run(scale=10)).startswith("gateway queue concurrency binds: 92 requests in service asked of 64")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01234, "0.0123"), (9.214, "9.21"), (64, "64"), (99.96, "100"), (1234.4, "1,230"), (2e6, "2,000,000")]
)
def test_figures_have_three_digits_and_whole_numbers_stay_whole(value: float, text: str) -> None:
    assert figure(value) == text
