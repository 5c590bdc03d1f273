"""Budgets as alert rules, predictions as lines on a dashboard."""

from __future__ import annotations

import re

import pytest

from loadtest.gateway.metrics import Metrics
from sim.analysis.summary import summarize
from sim.report.alerts import alert_rules, expression, unwatched
from sim.report.dashboard import grafana
from sim.scenario.budgets import parse_budget
from tests.sim.synthetic_runs import scenario, synthetic_run

BUDGETS = [
    "latency.p99 < 8s", "latency.p99{feature=agents} < 20s", "ttft.p95 < 2s", "availability > 99%", "error_rate.timeout < 1%",
    "cost.month < 900 USD", "cost.day{model=openai/gpt-4o} < 9 USD", "cost.per_1k < 3 USD", "queue_depth.max < 50", "throughput > 3/s",
]  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "promql"),
    [
        ("latency.p99 < 8s", "histogram_quantile(0.99, sum by (le) (rate(tenfold_answer_latency_seconds_bucket[5m])))"),
        (
            "latency.p99{class=faq} < 8s",
            'histogram_quantile(0.99, sum by (le) (rate(tenfold_answer_latency_seconds_bucket{class=~"faq"}[5m])))',
        ),
        (
            "availability > 99%",
            '(sum (rate(tenfold_requests_total{outcome=~"ok|cache_hit"}[5m])) or vector(0)) / sum (rate(tenfold_requests_total[5m]))',
        ),
        ("cost.day{model=openai/gpt-4o} < 9 USD", 'sum (rate(tenfold_cost_usd_total{provider="openai",model="gpt-4o"}[5m])) * 86400'),
        ("queue_depth.max < 50", "max_over_time(tenfold_waiting[5m])"),
    ],
)
def test_a_budget_in_promql(budget: str, promql: str) -> None:
    assert expression(parse_budget(budget), scenario(), "5m") == promql


def test_what_metrics_cannot_say_is_named() -> None:
    left = ["recovery_time < 30s @outage", "availability > 90% @during:outage", "cost.user < 3 USD"]
    assert unwatched(scenario(budgets=[*BUDGETS, *left])) == left


def made():
    plan = scenario(budgets=BUDGETS)
    return plan, summarize([synthetic_run(scale, scenario=plan) for scale in (1, 10)], "ab" * 32)


def test_each_budget_is_an_alert_that_says_what_was_predicted() -> None:
    plan, summary = made()
    rules = alert_rules(plan, summary, "1m", "2m", "15s")["groups"][0]["rules"]
    assert [rule["annotations"]["summary"] for rule in rules[: len(BUDGETS)]] == [f"budget broken: {text}" for text in BUDGETS]
    assert rules[0]["expr"].endswith(" >= 8")
    assert rules[3]["expr"].endswith(" <= 0.99")
    predicted = summary["runs"][0]["latency_s"]["p99"]["value"]
    assert f"predicted at 1x: {predicted:.4g}" in rules[0]["annotations"]["description"]
    beyond = next(rule for rule in rules if rule["alert"] == "TrafficBeyondPrediction")
    assert float(beyond["expr"].rpartition("> ")[2]) == pytest.approx(summary["runs"][1]["offered_rps"]["value"], rel=1e-4)


def test_the_dashboard_draws_predictions_and_budgets_over_metrics_that_exist() -> None:
    plan, summary = made()
    board = grafana(plan, summary)
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    p99 = next(panel for panel in board["panels"] if panel["title"] == "Latency P99")
    assert p99["targets"][-1] == {
        "refId": "C", "expr": f"vector({summary['runs'][0]['latency_s']['p99']['value']:.6g})", "legendFormat": "predicted at 1x",
    }  # fmt: skip
    assert sum(panel["title"].startswith("Budget") for panel in board["panels"]) == len(BUDGETS)
    asked = {name for query in queries for name in re.findall(r"(?:tenfold|gen_ai)_\w+", query)} - {
        "gen_ai_provider_name",
        "gen_ai_request_model",
    }
    exposed = Metrics(lambda: (0, 0, 0), plan).expose().decode()
    known = set(re.findall(r"^# TYPE (\w+)", exposed, re.MULTILINE))
    assert not {name for name in asked if name.removesuffix("_bucket") not in known}


def test_whether_a_latency_budget_holds_can_be_told_at_its_own_limit() -> None:
    exposed = Metrics(lambda: (0, 0, 0), scenario(budgets=["latency.p99 < 7.3s"])).expose().decode()
    assert 'tenfold_queue_wait_seconds_bucket{le="7.3"}' in exposed
