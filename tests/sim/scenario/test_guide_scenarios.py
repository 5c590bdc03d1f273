"""The guide's stages and its cost example, on one traffic from public traces: where the guide's ranges hold, and where they do not."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from sim.analysis.summary import summarize
from sim.engine.runner import predict
from sim.gateway.language import load


@cache
def figures(name: str) -> dict[str, Any]:
    loaded = load(f"guide/{name}")
    return summarize([predict(loaded.scenario, replications=2)], loaded.sha256)["runs"][0]


@pytest.mark.parametrize(
    ("name", "usd_per_month", "mean_latency_s"),
    [
        ("prototype", (10, 100), (2, 8)),
        ("growth_before", (1000, 10_000), (3, 12)),
        ("growth", (300, 3000), (1, 5)),
        ("scale", (5000, 50_000), (0, 8)),
    ],
)
def test_a_stage_costs_and_lasts_what_the_guide_expects(
    name: str, usd_per_month: tuple[float, float], mean_latency_s: tuple[float, float]
) -> None:
    found = figures(name)
    assert usd_per_month[0] < found["cost_usd"]["per_month"]["value"] < usd_per_month[1]
    assert mean_latency_s[0] < found["latency_s"]["mean"]["value"] < mean_latency_s[1]


def test_at_scale_the_uptime_holds_through_an_outage_and_the_tail_is_longer_than_the_target() -> None:
    """Answers as long as those of a public trace take longer than 8 s in one of a hundred cases."""
    found = figures("scale")
    assert found["availability"]["value"] > 0.999
    assert 8 < found["latency_s"]["p99"]["low"] < found["latency_s"]["p99"]["value"] < 12


@pytest.mark.slow
def test_bursts_of_agents_need_more_slots_than_the_same_calls_one_by_one() -> None:
    def queue_wait_p99_s(*changes: str) -> float:
        loaded = load("guide/agents", changes)
        return summarize([predict(loaded.scenario, replications=2)], loaded.sha256)["runs"][0]["queue_wait_s"]["p99"]["value"]

    few = "gateway.queue.concurrency=24"
    assert queue_wait_p99_s(few, "workload.arrivals.batch=null") < 0.5
    assert queue_wait_p99_s(few) > 2.5
    assert queue_wait_p99_s() < 2


def test_the_cost_example_saves_what_the_guide_says_from_a_larger_bill_and_with_fewer_hits() -> None:
    """Lengths and repeats are those of public sources: 70,000 USD instead of 45,000, 10 % of hits instead of 25 %."""
    before, after = figures("cost_before"), figures("cost_after")
    assert before["cost_usd"]["per_month"]["value"] == pytest.approx(70_000, rel=0.1)
    assert after["cache_hit_rate"]["value"] == pytest.approx(0.096, abs=0.01)
    saving = 1 - after["cost_usd"]["per_month"]["value"] / before["cost_usd"]["per_month"]["value"]
    assert saving == pytest.approx(0.72, abs=0.02)
