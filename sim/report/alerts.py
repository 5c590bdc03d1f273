"""Alert rules for Prometheus: each budget of a scenario as an expression over what a gateway of it tells at /metrics.

Budgets of a figure that the gateway does not count live, or of a phase of the scenario's faults, become no alert; ``unwatched`` says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sim.data.outcomes import KINDS
from sim.scenario.budgets import CLASS_SELECTORS, Budget, parse_budgets
from sim.scenario.metric_names import QUANTILES

DAY_S = 86_400
AVAILABLE = "|".join(kind.name for kind in KINDS if kind.available)
SERVED = "|".join(kind.name for kind in KINDS if kind.served)
DEGRADED = "|".join(kind.name for kind in KINDS if kind.served and not kind.available)
HISTOGRAMS = {
    "latency_s": "tenfold_answer_latency_seconds", "ttft_s": "tenfold_ttft_seconds", "queue_wait_s": "tenfold_queue_wait_seconds",
    "job_s": "tenfold_job_seconds",
}  # fmt: skip
SHARES = {
    "availability": f'outcome=~"{AVAILABLE}"', "served": f'outcome=~"{SERVED}"', "degraded_rate": f'outcome=~"{DEGRADED}"',
    "error_rate.total": f'outcome!~"{SERVED}"', "cache_hit_rate": 'outcome="cache_hit"',
    **{f"error_rate.{kind.name}": f'outcome="{kind.name}"' for kind in KINDS if not kind.served},
}  # fmt: skip
COSTS = {"cost_usd.per_day": DAY_S, "cost_usd.per_month": 30 * DAY_S}
REQUESTS = "tenfold_requests_total"


def expression(budget: Budget, scenario: Any, window: str) -> str | None:
    """What the budget is about, in PromQL, over ``window`` (as Prometheus writes durations); None where /metrics cannot say."""
    name, of = budget.metric.name, selected(budget, scenario)
    if budget.phase is not None or of is None:
        return None
    family, _, figure = name.partition(".")
    labels = [f'class=~"{of}"'] if of else []
    targets = [label for key, wanted in budget.selector if key not in CLASS_SELECTORS for label in of_target(key, wanted)]
    if targets and name not in COSTS:
        return None
    if family in HISTOGRAMS and (family != "queue_wait_s" or not of):
        metric = HISTOGRAMS[family]
        if figure == "mean":
            return f"{rate(metric + '_sum', labels, window)} / {rate(metric + '_count', labels, window)}"
        if figure in QUANTILES:
            buckets = rate(f"{metric}_bucket", labels, window, "sum by (le)")
            return f"histogram_quantile({QUANTILES[figure]:g}, {buckets})"
    if name in SHARES:
        return f"({rate(REQUESTS, [*labels, SHARES[name]], window)} or vector(0)) / {rate(REQUESTS, labels, window)}"
    if name in COSTS and not of:
        return f"{rate('tenfold_cost_usd_total', targets, window)} * {COSTS[name]}"
    if name == "cost_usd.per_request" and not of:
        return f"{rate('tenfold_cost_usd_total', [], window)} / {rate(REQUESTS, [], window)} * {budget.times:g}"
    if name == "attempts_per_request" and not of:
        return f"{rate('tenfold_attempts_total', [], window)} / {rate(REQUESTS, [], window)}"
    if name == "throughput_rps":
        return rate(REQUESTS, [*labels, SHARES["availability"]], window)
    if name == "queue_depth.max":
        return f"max_over_time(tenfold_waiting[{window}])"
    if name == "queue_depth.mean":
        return f"avg_over_time(tenfold_waiting[{window}])"
    return None


def of_target(key: str, wanted: str) -> list[str]:
    """``provider=openai`` and ``model=openai/gpt-4o`` as labels."""
    provider, _, model = wanted.partition("/") if key == "model" else (wanted, "", "")
    return [f'provider="{provider}"', *([f'model="{model}"'] if model else [])]


def selected(budget: Budget, scenario: Any) -> str | None:
    """The request classes that a budget is about, as a regular expression; "": all."""
    places = budget.classes(scenario)
    requests = scenario.workload.requests
    return "" if places is None else "|".join(re.escape(requests[place].name) for place in places)


def rate(metric: str, labels: list[str], window: str, aggregate: str = "sum") -> str:
    chosen = "{" + ",".join(labels) + "}" if labels else ""
    return f"{aggregate} (rate({metric}{chosen}[{window}]))"


BREAKS = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def watched(scenario: Any, window: str) -> Iterator[tuple[Budget, str]]:
    """Budgets with their expressions."""
    for budget in parse_budgets(scenario):
        found = expression(budget, scenario, window)
        if found is not None:
            yield budget, found


def unwatched(scenario: Any) -> list[str]:
    """Budgets that become no alert."""
    return [budget.text for budget in parse_budgets(scenario) if expression(budget, scenario, "5m") is None]


def alert_rules(scenario: Any, summary: dict[str, Any], window: str, hold: str, every: str) -> dict[str, Any]:
    """A rules file: an alert for each budget, one for traffic beyond what was predicted, and one for a gateway that is not there.

    ``summary``: the ``predict --json`` document. ``hold``: how long a budget has to be broken; ``every``: between evaluations.
    """
    rules = []
    for number, (budget, found) in enumerate(watched(scenario, window)):
        said = next((each["value"] for each in summary["runs"][0]["budgets"] if each["budget"] == budget.text), None)
        predicted = "nothing" if said is None or said["value"] is None else f"{said['value']:.4g}"
        rules.append(
            {
                "alert": f"Budget{number}{camel(budget.metric.name)}",
                "expr": f"{found} {BREAKS[budget.comparison]} {limit_of(budget)}",
                "for": hold,
                "labels": {"severity": "page", "scenario": scenario.name},
                "annotations": {
                    "summary": f"budget broken: {budget.text}",
                    "description": f"It is {{{{ $value }}}}; predicted at {summary['runs'][0]['scale']:g}x: {predicted}.",
                },
            }
        )
    most = max(summary["runs"], key=lambda run: run["offered_rps"]["value"])
    rules.append(
        {
            "alert": "TrafficBeyondPrediction",
            "expr": f"{rate(REQUESTS, [], window)} > {most['offered_rps']['value']:.6g}",
            "for": hold,
            "labels": {"severity": "ticket", "scenario": scenario.name},
            "annotations": {
                "summary": f"more requests than were predicted at {most['scale']:g}x: predict again, at a higher scale",
                "description": f"It is {{{{ $value }}}}/s. At {most['scale']:g}x, {most['binding']}",
            },
        }
    )
    rules.append(
        {
            "alert": "GatewayDown",
            "expr": 'up{job="gateway"} == 0',
            "for": hold,
            "labels": {"severity": "page", "scenario": scenario.name},
            "annotations": {"summary": "a gateway does not answer Prometheus"},
        }
    )
    return {"groups": [{"name": f"tenfold-{scenario.name}", "interval": every, "rules": rules}]}


def limit_of(budget: Budget) -> str:
    """In the expression's unit: thousands of requests where the budget is of those."""
    return f"{budget.limit:.12g}"


def camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[._]", name))
