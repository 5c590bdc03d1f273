"""What binds is what refuses; where nothing does, the limit reached first. It is named with its numbers."""

from typing import Any

import pytest

from sim.analysis.bottleneck import bottleneck, bottleneck_in_words, figure
from tests.sim.synthetic_runs import rows, run_of, synthetic_run


def row(limit: str, demand: float, capacity: float, refused: int = 0) -> dict[str, Any]:
    """Of a run of 100,000 requests."""
    load = {"capacity": capacity, "unit": "requests/s", "demand": demand, "load": demand / capacity}
    return {"limit": limit, **load, "refused": refused, "refused_share": refused / 100_000, "refused_of": "requests"}


def test_the_limit_with_the_highest_load_binds() -> None:
    run = run_of(rows(10), usage=[row("a", 50, 100), row("b", 400, 100, refused=12_345), row("c", 120, 100)])
    assert bottleneck_in_words(run) == "b binds: 400 requests/s asked of 100 (load 4.00), refuses 12.3 % of requests; next c (load 1.20)"
    assert bottleneck(run) == run.usage[1]


def test_below_nine_tenths_nothing_binds_and_the_nearest_limit_is_named() -> None:
    run = run_of(rows(10), usage=[row("a", 0.14, 100), row("b", 89, 100)])
    assert bottleneck_in_words(run) == "nothing binds; the nearest limit is b: 89 requests/s asked of 100 (load 0.89)"
    assert bottleneck(run) is None


def test_the_limit_that_refuses_most_binds_whatever_the_loads() -> None:
    run = run_of(rows(10), usage=[row("a", 400, 100, refused=74_900), row("b", 906, 100, refused=7_200), row("c", 146, 100)])
    assert bottleneck_in_words(run) == "a binds: 400 requests/s asked of 100 (load 4.00), refuses 74.9 % of requests; next b (load 9.06)"
    assert bottleneck(run) == run.usage[0]


def test_what_refuses_without_a_capacity_is_named_too() -> None:
    breaker = row("breaker", 1, 1, refused=5_000) | {"capacity": None, "demand": None, "load": None, "unit": ""}
    run = run_of(rows(10), usage=[breaker, row("b", 89, 100)])
    assert bottleneck_in_words(run) == "breaker refuses 5.00 % of requests; next b (load 0.89)"
    alone = run_of(rows(10), usage=[breaker | {"refused": 0, "refused_share": 0.0}])
    assert bottleneck_in_words(alone) == "nothing binds: the scenario sets no limit that was used"


def test_what_bursts_refuse_is_said_although_the_average_is_far_from_the_limit() -> None:
    run = run_of(rows(10), usage=[row("a", 80, 100), row("b", 64, 100, refused=120)])
    assert bottleneck_in_words(run) == (
        "b refuses 0.12 % of requests in bursts: on average 64 requests/s asked of 100 (load 0.64); next a (load 0.80)"
    )
    assert bottleneck(run) == run.usage[1]
    assert bottleneck_in_words(run_of(rows(10), usage=[row("b", 64, 100, refused=90)])).startswith("nothing binds")


def test_without_limits_that_is_said() -> None:
    assert bottleneck_in_words(run_of(rows(10))) == "nothing binds: the scenario sets no limit that was used"


def test_more_traffic_reaches_a_limit() -> None:
    assert bottleneck_in_words(synthetic_run(scale=1)).startswith("nothing binds")
    assert bottleneck_in_words(synthetic_run(scale=10)).startswith("the gateway's concurrency binds: 92 requests in service asked of 64")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01234, "0.0123"), (9.214, "9.21"), (64, "64"), (99.96, "100"), (1234.4, "1,230"), (2e6, "2,000,000")]
)
def test_figures_have_three_digits_and_whole_numbers_stay_whole(value: float, text: str) -> None:
    assert figure(value) == text
