"""summary.json keeps the outside contract, whatever the run."""

import json
from typing import Any

import numpy as np
import pytest

from sim.analysis.latency_breakdown import where_time_went
from sim.analysis.metrics import measure
from sim.analysis.summary import summarize
from sim.analysis.window import Window
from sim.data.outcomes import ERROR, NAMES
from sim.data.run import Run
from sim.data.schema import ATTEMPTS
from tests.sim.golden import matches_golden_json
from tests.sim.synthetic_runs import rows, run_of, scenario, synthetic_run

SHA = "ab" * 32


def estimates(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, dict):
        found = [document] if {"value", "low", "high"} <= document.keys() else []
        return found + [estimate for value in document.values() for estimate in estimates(value)]
    return [estimate for value in document for estimate in estimates(value)] if isinstance(document, list) else []


@pytest.mark.parametrize(
    "run",
    [
        synthetic_run(scale=1, replications=3),
        synthetic_run(scale=10, replications=2),
        synthetic_run(scale=1, replications=1, kind="measurement", noise=0.02),
        run_of(rows(0)),
        run_of(rows(100, outcome=ERROR, latency_s=np.nan, ttft_s=np.nan, cost_usd=np.nan)),
    ],
    ids=["1x", "10x", "measurement", "nothing arrived", "nothing known"],
)
def test_the_contract_holds(run: Run) -> None:
    document = json.loads(json.dumps(summarize([run], SHA), allow_nan=False))
    (said,) = document["runs"]
    assert (document["schema_version"], document["scenario"], document["seed"]) == (2, "synthetic-launch", 7)
    assert document["scenario_sha256"] == SHA
    for block in ("latency_s", "ttft_s"):
        assert {"mean", "p50", "p95", "p99"} <= said[block].keys()
    assert {"mean", "p99", "p_wait"} <= said["queue_wait_s"].keys()
    costs = {"per_request", "per_conversation", "per_user_month", "per_day", "per_month", "by_model", "by_feature"}
    assert costs <= said["cost_usd"].keys()
    assert list(said["outcomes"]) == list(NAMES.values())
    assert sum(said["outcomes"].values()) == said["requests"]
    shares = {"availability": ("ok", "cache_hit"), "served": ("ok", "cache_hit", "stale", "canned")}
    for name, kinds in shares.items():
        counted = sum(said["outcomes"][kind] for kind in kinds)
        assert said[name]["value"] == (pytest.approx(counted / said["requests"]) if said["requests"] else None), name
    assert {"p50", "p99"} <= said["added_latency_s"].keys()
    assert sum(said["refused_by"].values()) >= said["outcomes"]["rejected"] + said["outcomes"]["rate_limited"]
    assert isinstance(said["binding"], str)
    assert [set(budget) >= {"budget", "value", "ok"} for budget in said["budgets"]] == [True] * 4
    for estimate in estimates(said):
        if None not in estimate.values():
            assert estimate["low"] <= estimate["value"] <= estimate["high"]


def test_a_trace_that_is_over_before_the_warm_up_has_no_figures() -> None:
    plain = scenario().model_dump(by_alias=True, mode="json", exclude_none=True)
    trace = scenario(workload=plain["workload"] | {"arrivals": {"kind": "trace", "file": "calls.csv"}})
    run = run_of(rows(30), scenario=trace, attempts=np.zeros(3, ATTEMPTS))
    (said,) = json.loads(json.dumps(summarize([run], SHA), allow_nan=False))["runs"]
    assert said["requests"] == 0
    assert said["cost_usd"]["per_month"]["value"] is None
    assert said["cost_usd"]["by_model"] == {}


def test_a_budget_that_cannot_be_judged_is_neither_true_nor_false() -> None:
    budgets = summarize([run_of(rows(100))], SHA)["runs"][0]["budgets"]
    assert [budget["ok"] for budget in budgets] == [None, None, True, True]


def test_the_parts_of_the_tail_sum_to_its_latency() -> None:
    window = Window(synthetic_run(scale=10, replications=2))
    parts = where_time_went(window, 0.99)
    assert sum(parts.values()) == pytest.approx(measure(window, "latency_s.p99").value, rel=0.02)
    assert parts["queue"] > where_time_went(window, 0.5)["queue"]
    assert parts["other"] == pytest.approx(0, abs=1e-9)


def test_what_no_part_accounts_for_is_other() -> None:
    assert where_time_went(Window(run_of(rows(6000, latency_s=2.0, generation_s=0.5))))["other"] == 1.5


def test_the_summary_is_as_it_was() -> None:
    matches_golden_json(summarize([synthetic_run(scale=1), synthetic_run(scale=10)], SHA), "summary.json")
