"""summary.json and ``predict --json``: every figure of some runs of one scenario as one document, with its own version."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.analysis.assertions import as_dict, observe
from sim.analysis.batch_latency import has_batches
from sim.analysis.bottleneck import bottleneck_in_words, ranked_limits
from sim.analysis.breakdowns import (
    attempts_by_status,
    attempts_refused_by,
    by_class,
    cost_by_feature,
    cost_by_model,
    cost_by_provider,
    latency_by_outcome,
    outcomes,
    refused_by,
)
from sim.analysis.budgets import Judgement, judge
from sim.analysis.capacity import is_priced
from sim.analysis.estimators import Estimate
from sim.analysis.latency_breakdown import where_time_went
from sim.analysis.metrics import METRICS
from sim.analysis.window import Window
from sim.data.run import Run
from sim.gateway.chain import unused_figures
from sim.scenario.metric_names import BATCHES, CAPACITY, CLIENT

SCHEMA_VERSION = 2
OF_CONVERSATIONS = ("task_completion", "cost_usd.per_completed_conversation")
PLAIN = ("attempts_per_request", "queue_depth.max")
"""Metrics that the document gives as a bare number, without an interval."""


def summarize(runs: Sequence[Run], scenario_sha256: str) -> dict[str, Any]:
    """The ``predict --json`` document over runs of one scenario, in their order. Plain JSON types; no NaN."""
    scenario = runs[0].scenario
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": scenario.name,
        "scenario_sha256": scenario_sha256,
        "seed": runs[0].seed,
        **({"expected": scenario.expected} if scenario.expected else {}),
        "runs": [summarize_run(run) for run in runs],
    }


def summarize_run(run: Run) -> dict[str, Any]:
    """One entry of ``runs``: the table of metrics as nested keys, and the figures by kind."""
    window = Window(run)
    figures: dict[str, Any] = {}
    unused = unused_figures(run.scenario)
    for name, metric in METRICS.items():
        if name in unused:
            continue
        if name == CAPACITY and not is_priced(run.scenario):
            continue
        if name.startswith(BATCHES) and not has_batches(run.scenario.workload):
            continue
        if name in OF_CONVERSATIONS and run.scenario.workload.conversations is None:
            continue
        if name == "apdex" and run.scenario.workload.client.satisfied is None:
            continue
        if name.startswith(CLIENT) and run.scenario.workload.client.retries is None:
            continue
        estimate = metric.of(window)
        put(figures, name, whole(estimate.value) if name in PLAIN else estimate.as_dict())
    figures["latency_s"]["by_outcome"] = plain(latency_by_outcome(window))
    figures["cost_usd"] |= {"by_model": plain(cost_by_model(window)), "by_provider": plain(cost_by_provider(window))}
    figures["cost_usd"]["by_feature"] = plain(cost_by_feature(window))
    return {
        "kind": run.kind,
        "scale": whole(run.scale),
        "requests": len(window),
        "replications": run.replications,
        **figures,
        "outcomes": outcomes(window),
        "refused_by": refused_by(window),
        "by_class": plain(by_class(window)),
        "attempts_by_status": attempts_by_status(window),
        "attempts_refused_by": attempts_refused_by(window),
        "p50_parts_s": where_time_went(window, 0.5),
        "p99_parts_s": where_time_went(window, 0.99),
        "binding": bottleneck_in_words(run),
        "limits": [clean(row) for row in ranked_limits(run)],
        "budgets": [judged(judgement) for judgement in judge(run, window=window)],
        **({"assertions": [as_dict(observation) for observation in observe(run)]} if run.scenario.assertions else {}),
        "counted_s": window.seconds,
        "wall_s": run.wall_s,
        "engine": run.engine or None,
        **({"precision": run.precision.as_dict()} if run.precision is not None else {}),
    }


def judged(judgement: Judgement) -> dict[str, Any]:
    """``ok`` is null when the samples cannot say."""
    return {
        "budget": judgement.budget.text,
        "value": judgement.value.as_dict(),
        "ok": None if judgement.verdict == "insufficient" else judgement.verdict == "ok",
        "verdict": judgement.verdict,
        "straddles": judgement.straddles,
        "says": judgement.says,
    }


def put(tree: dict[str, Any], name: str, value: Any) -> None:
    """``latency_s.p99`` → tree["latency_s"]["p99"]."""
    *above, last = name.split(".")
    for key in above:
        tree = tree.setdefault(key, {})
    tree[last] = value


def plain(value: Any) -> Any:
    """Estimates, in dicts of any depth, as dicts."""
    if isinstance(value, Estimate):
        return value.as_dict()
    return {key: plain(part) for key, part in value.items()} if isinstance(value, dict) else value


def clean(row: dict[str, Any]) -> dict[str, Any]:
    """A row in plain JSON types: numpy's numbers as Python's, NaN and infinity, which JSON has no words for, as null."""
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in plain.items()}


def whole(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value
