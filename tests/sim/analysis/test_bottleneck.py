"""The limit reached first is named with its numbers."""

from typing import Any

import pytest

from sim.analysis.bottleneck import binding, binding_limit, figure
from tests.sim.synthetic_runs import rows, run_of, synthetic_run


def row(limit: str, demand: float, capacity: float, refused: int = 0) -> dict[str, Any]:
    """Of a run of 100,000 requests."""
    load = {"capacity": capacity, "unit": "requests/s", "demand": demand, "load": demand / capacity}
    return {"limit": limit, **load, "refused": refused, "refused_share": refused / 100_000, "refused_of": "requests"}


def test_the_limit_with_the_highest_load_binds() -> None:
    run = run_of(rows(10), usage=[row("a", 50, 100), row("b", 400, 100, refused=12_345), row("c", 120, 100)])
    assert binding(run) == "b binds: 400 requests/s asked of 100 (load 4.00), refuses 12.3 % of requests; next c (load 1.20)"
    assert binding_limit(run) == run.usage[1]


def test_below_nine_tenths_nothing_binds_and_the_nearest_limit_is_named() -> None:
    run = run_of(rows(10), usage=[row("a", 0.14, 100), row("b", 89, 100)])
    assert binding(run) == "nothing binds; the nearest limit is b: 89 requests/s asked of 100 (load 0.89)"
    assert binding_limit(run) is None


def test_the_limit_that_refuses_most_is_named_beside_the_one_reached_first() -> None:
    run = run_of(rows(10), usage=[row("a", 400, 100, refused=74_900), row("b", 906, 100, refused=7_200), row("c", 146, 100)])
    assert binding(run) == (
        "b binds: 906 requests/s asked of 100 (load 9.06), refuses 7.20 % of requests; a refuses most: 74.9 % of requests (load 4.00)"
    )


def test_what_bursts_refuse_is_said_although_the_average_is_far_from_the_limit() -> None:
    run = run_of(rows(10), usage=[row("a", 80, 100), row("b", 64, 100, refused=120)])
    assert binding(run) == "b refuses 0.12 % of requests in bursts: on average 64 requests/s asked of 100 (load 0.64)"
    assert binding_limit(run) == run.usage[1]
    assert binding(run_of(rows(10), usage=[row("b", 64, 100, refused=90)])).startswith("nothing binds")


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
