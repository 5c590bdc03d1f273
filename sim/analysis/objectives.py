"""The per-request objectives that a scenario's latency budgets imply."""

from __future__ import annotations

from sim.scenario.budgets import split_budget
from sim.scenario.model import Scenario
from sim.scenario.units import parse_duration


def objectives(scenario: Scenario) -> dict[str, float]:
    """Per request-row column (``latency_s``, ``ttft_s``) the most seconds a good request may take.

    From the scenario's own budgets: the loosest limit on any of the column's percentiles (``latency.p50 < 2s`` allows half of the requests
    to be slower, so next to ``latency.p99 < 8s`` it makes no request bad). Without such budgets there is no objective.
    """
    limits: dict[str, float] = {}
    for text in scenario.budgets:
        words = split_budget(text)
        if words is None or words.comparison not in ("<", "<=") or words.phase or words.selector:
            continue
        family = words.metric.split(".")[0].removesuffix("_s")
        if family in ("latency", "ttft"):
            try:
                limits[f"{family}_s"] = max(limits.get(f"{family}_s", 0.0), parse_duration(words.quantity))
            except ValueError:
                continue  # parse_budget says what is wrong with it
    return limits
