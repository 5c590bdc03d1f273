"""A small scenario, and evaluations as ``figures_of`` says them, made up."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.scenario.budgets import parse_budget
from sim.whatif.evaluation import AVAILABILITY, COST, P99

SCENARIO = """
tenfold: 1
name: small
seed: 3
workload:
  arrivals: {kind: poisson, rate: 20/s}
  duration: 20s
  warmup: 2s
  requests:
    - {name: job, tokens: {input: {kind: constant, value: 100}, output: {kind: constant, value: 1}}}
gateway:
  queue: {concurrency: 64, waiting: 0, timeout: null}
  routing: {kind: round-robin, models: [server/job]}
providers:
  server:
    models:
      job: {latency: {kind: exponential, mean: 200ms}, price: {input: 1, output: 1}}
budgets: [latency.p99 < 2s]
"""
SPREAD = np.array([-0.03, -0.01, 0.01, 0.03])


def document(
    p99_s: float | None = 1.0, cost: float = 100.0, available: float = 1.0, budgets: tuple[str, ...] = (), half: float = 0.0, **more: Any
) -> dict[str, Any]:
    """``half``: relative half-width of every interval, which also spreads the replications."""
    values = {P99: p99_s, COST: cost, AVAILABILITY: available}
    figures = {
        name: {
            "value": value,
            "low": None if value is None else value * (1 - half),
            "high": None if value is None else value * (1 + half),
            "by_replication": [None if value is None else value * (1 + half * off) for off in SPREAD.tolist()],
        }
        for name, value in values.items()
    }
    return {
        "scale": 1.0, "requests": 1000, "replications": len(SPREAD), "engine": "simpy", "figures": figures,
        "budgets": [judged(text, figures) for text in budgets], "binding": "nothing binds", "limits": [], "outcomes": {}, "refused_by": {},
    } | more  # fmt: skip


def judged(text: str, figures: dict[str, Any]) -> dict[str, Any]:
    budget = parse_budget(text)
    value = {part: figures[budget.metric.name][part] for part in ("value", "low", "high")}
    if value["value"] is None:
        return {"budget": text, "value": value, "ok": None, "verdict": "insufficient", "straddles": False, "says": ""}
    ok = budget.holds(value["value"])
    straddles = any(budget.holds(value[end]) != ok for end in ("low", "high"))
    return {"budget": text, "value": value, "ok": ok, "verdict": "ok" if ok else "broken", "straddles": straddles, "says": ""}
