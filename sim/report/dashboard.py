"""A Grafana dashboard of a scenario: what its gateway tells at /metrics, with what was predicted and its budgets as lines beside it."""

from __future__ import annotations

from typing import Any

from sim.report.alerts import BREAKS, DAY_S, REQUESTS, camel, limit_of, rate, watched

WINDOW = "$__rate_interval"
UNITS = {"s": "s", "share": "percentunit", "USD": "currencyUSD", "/s": "reqps"}
SOURCE = {"type": "prometheus", "uid": "prometheus"}
Query = tuple[str, str]  # what the legend says, PromQL


def quantile(metric: str, number: float, *labels: str) -> str:
    buckets = rate(f"{metric}_bucket", list(labels), WINDOW, "sum by (le)")
    return f"histogram_quantile({number:g}, {buckets})"


def a_day(aggregate: str) -> str:
    return f"{rate('tenfold_cost_usd_total', [], WINDOW, aggregate)} * {DAY_S}"


def line(estimate: dict[str, Any] | None) -> str | None:
    """A predicted figure as a constant."""
    return None if estimate is None or estimate["value"] is None else f"vector({estimate['value']:.6g})"


def grafana(scenario: Any, summary: dict[str, Any]) -> dict[str, Any]:
    """``summary``: the ``predict --json`` document, whose first run is drawn as what is expected."""
    run = summary["runs"][0]
    at = f"predicted at {run['scale']:g}x"

    def panel(title: str, unit: str, *queries: Query, predicted: dict[str, Any] | None = None) -> dict[str, Any]:
        expected = line(predicted)
        return timeseries(title, unit, [*queries, *([(at, expected)] if expected else [])])

    answers, first = "tenfold_answer_latency_seconds", "tenfold_ttft_seconds"
    attempts = rate(
        "gen_ai_client_operation_duration_seconds_bucket", [], WINDOW, "sum by (le, gen_ai_provider_name, gen_ai_request_model)"
    )
    panels = [
        panel("Requests", "/s", ("now", rate(REQUESTS, [], WINDOW)), predicted=run["offered_rps"]),
        panel("Requests by outcome", "/s", ("{{outcome}}", rate(REQUESTS, [], WINDOW, "sum by (outcome)"))),
        panel("Latency P99", "s", ("P50", quantile(answers, 0.5)), ("P99", quantile(answers, 0.99)), predicted=run["latency_s"]["p99"]),
        panel("First token P99", "s", ("P99", quantile(first, 0.99)), predicted=run["ttft_s"]["p99"]),
        panel("Cost a day", "USD", ("now", a_day("sum")), predicted=run["cost_usd"]["per_day"]),
        panel("Cost a day by model", "USD", ("{{provider}}/{{model}}", a_day("sum by (provider, model)"))),
        panel("Cost a day by feature", "USD", ("{{feature}}", a_day("sum by (feature)"))),
        panel(
            "Tokens", "short", ("input", rate("tenfold_input_tokens_total", [], WINDOW)),
            ("output", rate("tenfold_billed_output_tokens_total", [], WINDOW)),
        ),
        panel("Queue and service", "short", ("waiting", "tenfold_waiting"), ("in service", "tenfold_in_service")),
        panel("Breakers not closed", "short", ("open", "tenfold_open_breakers")),
        panel("Refused by", "/s", ("{{refused_by}}", rate(REQUESTS, ['refused_by!=""'], WINDOW, "sum by (refused_by)"))),
        panel(
            "Attempts P99 by model", "s",
            ("{{gen_ai_provider_name}}/{{gen_ai_request_model}}", f"histogram_quantile(0.99, {attempts})"),
        ),
    ]  # fmt: skip
    for budget, found in watched(scenario, WINDOW):
        unit = budget.metric.unit
        panels.append(
            timeseries(
                f"Budget: {budget.text}", unit, [("now", found), (f"broken {BREAKS[budget.comparison]}", f"vector({limit_of(budget)})")]
            )
        )
    for number, each in enumerate(panels):
        each |= {"id": number + 1, "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)}}
    return {
        "uid": f"tenfold-{camel(scenario.name)}"[:40], "title": f"Tenfold: {scenario.name}", "description": run["binding"],
        "schemaVersion": 41, "tags": ["tenfold"], "time": {"from": "now-1h", "to": "now"}, "refresh": "10s", "panels": panels,
    }  # fmt: skip


def timeseries(title: str, unit: str, queries: list[Query]) -> dict[str, Any]:
    return {
        "type": "timeseries", "title": title, "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": UNITS.get(unit, "short")}, "overrides": []},
        "targets": [{"refId": chr(65 + place), "expr": found, "legendFormat": legend} for place, (legend, found) in enumerate(queries)],
    }  # fmt: skip
