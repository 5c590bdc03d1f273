"""Assertions held to what a run says: seen or not, and the figure behind the verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.analysis.budgets import Verdict, judge_value
from sim.analysis.estimators import INSUFFICIENT, Estimate
from sim.analysis.metrics import METRICS
from sim.analysis.recovery import time_to_recover
from sim.analysis.window import Window, within
from sim.data.outcomes import BY_NAME
from sim.data.run import Run
from sim.formatting import say, seconds
from sim.gateway.language import assertions_of
from sim.scenario.assertions import BREAKER, REFUSED_BY, RETRIES, Assertion, Coverage, Figure, Recovery
from sim.scenario.budgets import phase_spans


@dataclass(frozen=True)
class Observation:
    """An assertion, its verdict, and in words what was seen. ``value`` is in the metric's unit, seconds, or replications that saw it."""

    assertion: Assertion
    value: Estimate
    verdict: Verdict
    says: str


def observe(run: Run) -> list[Observation]:
    """Hold a run to its scenario's assertions."""
    return [observe_one(run, assertion) for assertion in assertions_of(run.scenario)]


def observe_one(run: Run, assertion: Assertion) -> Observation:
    match assertion:
        case Figure():
            return observe_figure(run, assertion)
        case Recovery():
            return observe_recovery(run, assertion)
        case Coverage():
            return observe_coverage(run, assertion)


def observe_figure(run: Run, assertion: Figure) -> Observation:
    budget = assertion.budget
    chosen = budget.classes(run.scenario), budget.targets(run.scenario)
    window = Window(run, budget.spans(run.scenario), *chosen)
    value = METRICS[budget.metric.name].of(window).times(budget.times)
    said = say(value.value, budget.metric.unit)
    if assertion.relative:
        before = METRICS[budget.metric.name].of(Window(run, phase_spans(run.scenario, "before", None, assertion.text), *chosen)).value
        said = f"{said} after {say(before, budget.metric.unit)}" if before else said
        value = value.times(1.0 / before) if before else INSUFFICIENT
        said = f"{value.value:.2f}x: {said}" if value.value is not None else "too few samples to say"
    judgement = judge_value(budget, value)
    return Observation(assertion, value, judgement.verdict, said if value.value is not None else "too few samples to say")


def observe_recovery(run: Run, assertion: Recovery) -> Observation:
    found = time_to_recover(run, assertion.fault)
    if found.recovered is None:
        return Observation(assertion, INSUFFICIENT, "insufficient", "too few samples before or after to say")
    if found.time_s is None:
        return Observation(assertion, INSUFFICIENT, "broken", f"not recovered {seconds(found.observed_s)} later, when the run ended")
    verdict: Verdict = "ok" if assertion.holds(found.time_s) else "broken"
    return Observation(assertion, Estimate(found.time_s), verdict, seconds(found.time_s))


def observe_coverage(run: Run, assertion: Coverage) -> Observation:
    seen = len(np.unique(seen_in(run, assertion)))
    verdict: Verdict = "ok" if (seen > 0) == (assertion.word == "sometimes") else "broken"
    said = "never seen" if not seen else f"seen in {seen} of {run.replications} replication{'s' * (run.replications != 1)}"
    return Observation(assertion, Estimate(float(seen)), verdict, said)


def seen_in(run: Run, assertion: Coverage) -> np.ndarray:
    """Replications in which it happened, perhaps several times."""
    spans = assertion.spans(run.scenario) or [(run.warmup_s, np.inf)]
    if assertion.what == BREAKER:
        moves = [event for event in run.events if event["event"] == BREAKER and event["state"] == assertion.which]
        inside = within(np.array([event["at_s"] for event in moves], float), spans)
        return np.array([event["replication"] for event in moves], int)[inside]
    rows = run.requests
    replication, inside = rows["replication"], within(rows["arrival_s"], spans)
    if assertion.what == REFUSED_BY:
        code = next((code for code, name in run.refusals.items() if name == assertion.which), None)
        if code is None:
            return np.zeros(0, int)
        attempts = run.attempts
        refused = (attempts["refused_by"] == code) & within(attempts["started_s"], spans)
        return np.concatenate([replication[inside & (rows["refused_by"] == code)], attempts["replication"][refused]])
    if assertion.what == RETRIES:
        return replication[inside & (rows["attempts"] > 1)]
    return replication[inside & (rows["outcome"] == BY_NAME[assertion.what].code)]


def as_dict(observation: Observation) -> dict[str, object]:
    """As documents have it. ``ok``: None where the samples cannot say."""
    ok = {"ok": True, "broken": False}.get(observation.verdict)
    return {
        "assertion": observation.assertion.text,
        "value": observation.value.as_dict(),
        "ok": ok,
        "verdict": observation.verdict,
        "says": observation.says,
    }
