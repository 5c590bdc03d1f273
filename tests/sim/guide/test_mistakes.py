"""Each of the guide's six mistakes is found where it is made, with what mending it brings, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.guide.audit import MISTAKES
from sim.guide.mistakes import over_caching
from tests.sim.guide.found_in import found_in, trials

PAIRS = {
    "over-caching": "over_caching",
    "ignoring token limits": "token_limits",
    "single provider dependency": "single_provider",
    "no graceful degradation": "no_degradation",
    "scaling vertically only": "vertical_scaling",
    "cold starts": "cold_starts",
}
LONG = ("ignoring token limits", "scaling vertically only", "no graceful degradation", "over-caching", "cold starts")
BETTER = {
    "over-caching": ("out-of-date answers", "lower"),
    "ignoring token limits": ("cost_usd.per_month", "lower"),
    "single provider dependency": ("availability", "higher"),
    "no graceful degradation": ("served", "higher"),
    "scaling vertically only": ("availability", "higher"),
    "cold starts": ("ttft_s.p99", "lower"),
}
"""The figure that mending it moves, and which way."""
OTHERS: dict[str, set[str]] = {
    "launch": set(),
    "demo": set(),
    "starters/chat": set(),
    "chaos/provider_blackout": set(),
    "chaos/provider_brownout": set(),
    "chaos/failover_cascade": set(),
    "chaos/flaky_provider": set(),
    "chaos/breaker_flap": {"single provider dependency", "no graceful degradation"},
    "chaos/stalled_stream": set(),
    "chaos/provider_hang": set(),
    "guide/mistakes/base": set(),
    "starter": {"single provider dependency"},
    "starters/agent": {"no graceful degradation"},
}
"""Shipped scenarios and all that is found in them."""


def test_there_is_a_pair_of_scenarios_for_each_mistake() -> None:
    assert list(PAIRS) == list(MISTAKES) == list(BETTER)
    for mistake in MISTAKES:
        assert sum(mistake not in found for found in OTHERS.values()) >= 10


@pytest.mark.parametrize("mistake", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in PAIRS])
def test_a_mistake_is_found_where_it_is_made_and_only_that_one(mistake: str) -> None:
    found = found_in(f"guide/mistakes/{PAIRS[mistake]}_before")
    assert list(found) == [mistake]
    assert mends(found[mistake], *BETTER[mistake])
    assert found[mistake]["mended_by"]


def mends(found: dict[str, Any], figure: str, better: str) -> bool:
    """The paired interval lies on the better side of zero."""
    change = next(each["change"] for each in reversed(found["gains"]) if each["figure"] == figure)
    return bool(change["high"] < 0 if better == "lower" else change["low"] > 0)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", PAIRS)
def test_nothing_is_found_in_the_good_twin(mistake: str) -> None:
    assert found_in(f"guide/mistakes/{PAIRS[mistake]}_after") == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_in_other_scenarios_only_what_is_there_is_found(name: str) -> None:
    assert set(found_in(name)) == OTHERS[name]


@pytest.mark.slow
def test_a_single_process_is_a_limit_that_more_cores_do_not_move() -> None:
    one_core = ("gateway.workers=1", "gateway.cpu_per_request=40ms", "workload.duration=4m")
    found = found_in("guide/mistakes/base", *one_core)
    assert list(found) == ["scaling vertically only"]
    assert found["scaling vertically only"]["where"] == "gateway.workers"
    assert found_in("guide/mistakes/base", *one_core[1:], "gateway.workers=4") == {}


def test_a_single_process_whose_cores_share_its_work_is_none() -> None:
    one_process = ("gateway.workers=1", "gateway.cpu_per_request=40ms", "workload.duration=4m", "gateway.cores=16", "gateway.parallel=0.9")
    assert found_in("guide/mistakes/base", *one_process) == {}


def test_workers_that_scale_are_none() -> None:
    scaler = "gateway.autoscale={kind: hpa, start: 8, max: 16, start_up: 5s}"
    assert found_in("guide/mistakes/base", "gateway.workers=8", "gateway.cpu_per_request=40ms", "workload.duration=4m", scaler) == {}


@pytest.mark.slow
def test_work_for_one_call_at_a_time_is_a_limit_that_neither_cores_nor_workers_move() -> None:
    found = found_in("guide/mistakes/base", "gateway.serial_per_request=40ms", "workload.duration=4m")
    assert list(found) == ["scaling vertically only"]
    assert found["scaling vertically only"]["where"] == "gateway.serial_per_request"


@pytest.mark.slow
def test_two_providers_of_which_neither_stands_in_for_the_other_are_one_dependency() -> None:
    found = found_in(
        "guide/mistakes/base", "gateway.routing={kind: capability, small: openai/gpt-4o-mini, large: anthropic/claude-sonnet-4-5}"
    )
    assert list(found) == ["single provider dependency"]
    assert "class talk can go nowhere else" in found["single provider dependency"]["says"]


@pytest.mark.slow
def test_a_lifetime_is_judged_by_how_long_answers_stay_right() -> None:
    quickly = "workload.requests.faq.prompts.changes=1h"
    assert list(found_in("guide/mistakes/base", quickly)) == ["over-caching"]
    assert "12 h" not in found_in("guide/mistakes/base", quickly)["over-caching"]["says"]
    assert found_in("guide/mistakes/base", quickly, "gateway.cache[0].ttl=5m") == {}


def test_where_nobody_says_how_long_answers_stay_right_a_day_is_assumed_and_said() -> None:
    found = found_in("guide/mistakes/base", "workload.requests.faq.prompts.changes=null", "gateway.cache[0].ttl=24h")
    assert "assumed: prompts.changes does not say" in found["over-caching"]["says"]


def test_answers_out_of_date_are_those_that_the_run_says_were_outdated_as_many_as_expected() -> None:
    tried = trials("guide/mistakes/over_caching_before", "gateway.cache[0].ttl=6h")
    (each,) = over_caching.lifetimes(tried.scenario)
    assert over_caching.is_seen(tried.run(), each)
    assert over_caching.out_of_date(tried.run(), each) == pytest.approx(over_caching.aged(0.5), rel=0.1)


@pytest.mark.slow
def test_a_cache_that_is_told_of_changes_does_not_serve_them_too_long() -> None:
    told = ("gateway.cache[0].invalidation=version", "gateway.cache[0].notice=1m")
    assert found_in("guide/mistakes/over_caching_before", *told) == {}
    assert found_in("guide/mistakes/base", "workload.requests.faq.prompts.changes=1h", *told) == {}


@pytest.mark.parametrize(("lifetime", "changes"), [(1.0, 1.0), (0.1, 1.0), (5.0, 2.0)])
def test_the_share_out_of_date_is_that_of_ages_spread_evenly_over_the_lifetime(lifetime: float, changes: float) -> None:
    ages = (np.arange(100_000) + 0.5) / 100_000 * lifetime
    assert over_caching.aged(lifetime / changes) == pytest.approx(float((1 - np.exp(-ages / changes)).mean()), rel=1e-6)


def test_ages_in_a_run_are_those_that_the_formula_expects() -> None:
    tried = trials("guide/mistakes/over_caching_before", "gateway.cache[0].ttl=6h")
    ages = over_caching.ages(tried.run(), 0)
    assert ages.max() < 6 * 3600
    assert ages.mean() == pytest.approx(3 * 3600, rel=0.05)
