"""A chaos run in figures: what each phase was like, whether it recovered, how far the damage reached, and what was to be observed."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.analysis.assertions import as_dict, observe
from sim.analysis.budgets import judge
from sim.analysis.estimators import Estimate
from sim.analysis.metrics import METRICS
from sim.analysis.recovery import Recovery, time_to_recover
from sim.analysis.summary import judged, put
from sim.analysis.window import Window, end_of
from sim.data.outcomes import name_of
from sim.data.run import Run
from sim.scenario.budgets import PHASES, disturbances, phase_spans
from sim.scenario.metric_names import CLIENT

SCHEMA_VERSION = 1
FIGURES = (
    "availability", "served", "goodput_rps", "latency_s.p50", "latency_s.p99", "attempts_per_request", "client.availability",
    "client.amplification", "queue_depth.max", "open_breakers.mean", "cost_usd.per_request",
)  # fmt: skip
WHOLE = "whole run"
"""The only phase where nothing strikes from outside."""


def chaos_document(run: Run, scenario_sha256: str) -> dict[str, Any]:
    """All that ``tenfold chaos`` says of one run, in plain JSON types."""
    scenario = run.scenario
    recovery = time_to_recover(run) if disturbances(scenario) else None
    assertions = [as_dict(observation) for observation in observe(run)]
    failed = [one["assertion"] for one in assertions if one["ok"] is False]
    unsure = [one["assertion"] for one in assertions if one["ok"] is None]
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": scenario.name,
        "scenario_sha256": scenario_sha256,
        "seed": run.seed,
        "scale": run.scale,
        "replications": run.replications,
        "requests": len(Window(run)),
        "verdict": "fail" if failed else "unknown" if unsure else "pass",
        "expected": scenario.expected,
        "recovered": recovery.recovered if recovery else None,
        "recovery_time_s": recovery.time_s if recovery else None,
        "recovery": recovery_words(recovery),
        "blast_radius": blast_radius(run, recovery).as_dict() if recovery else None,
        "broke_first": broke_first(run),
        "latency_s": {"p99": METRICS["latency_s.p99"].of(Window(run)).as_dict()},
        "phases": phases(run),
        "assertions": assertions,
        "failed": failed,
        "budgets": [judged(judgement) for judgement in judge(run)],
        "suggestions": [],
    }


def recovery_words(recovery: Recovery | None) -> dict[str, Any] | None:
    """The hypothesis that recovery was judged by."""
    if recovery is None:
        return None
    return {"availability_before": recovery.before, "window_s": recovery.window_s, "observed_s": recovery.observed_s}


def phases(run: Run) -> dict[str, Any]:
    """Figures by phase; a phase without requests is left out."""
    if not disturbances(run.scenario):
        return {WHOLE: figures(Window(run))}
    windows = {phase: Window(run, phase_spans(run.scenario, phase)) for phase in PHASES}
    return {phase: figures(window) for phase, window in windows.items() if len(window)}


def figures(window: Window) -> dict[str, Any]:
    tree: dict[str, Any] = {"requests": len(window)}
    for name in FIGURES:
        if name.startswith(CLIENT) and window.run.scenario.workload.client.retries is None:
            continue
        put(tree, name, METRICS[name].of(window).as_dict())
    return tree


def broke_first(run: Run) -> dict[str, Any] | None:
    """How the first request without a fresh answer ended, and how many seconds after the first disturbance began (the warm-up's end where
    nothing strikes from outside). None: nothing broke. Of several replications the first.
    """
    window, struck = Window(run), disturbances(run.scenario)
    since_s = max(run.warmup_s, min((start for start, _ in struck), default=0.0))
    first = window.slices[0]
    ended_s, outcome = (window["arrival_s"] + window["latency_s"])[first], window["outcome"][first]
    broken = np.flatnonzero(~window.available[first] & (ended_s >= since_s))
    if not len(broken):
        return None
    place = broken[np.argmin(ended_s[broken])]
    return {"outcome": name_of(int(outcome[place])), "after_s": float(ended_s[place] - since_s)}


def blast_radius(run: Run, recovery: Recovery) -> Estimate:
    """The share of requests that got no fresh answer, of those that came from the first disturbance on until it had recovered."""
    struck = disturbances(run.scenario)
    ends_s = max(end for _, end in struck)
    until_s = end_of(run) if recovery.time_s is None else max(ends_s, ends_s + recovery.time_s)
    spans = [(max(run.warmup_s, min(start for start, _ in struck)), until_s)]
    availability = METRICS["availability"].of(Window(run, spans))
    if availability.value is None:
        return availability
    low, high = (None if bound is None else 1.0 - bound for bound in (availability.high, availability.low))
    return Estimate(1.0 - availability.value, low, high)
