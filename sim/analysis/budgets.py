"""Budgets held to what a run says: the verdict, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sim.analysis.estimators import INSUFFICIENT, Estimate
from sim.analysis.metrics import METRICS
from sim.analysis.recovery import Recovery, time_to_recover
from sim.analysis.window import Window
from sim.data.run import Run
from sim.formatting import seconds
from sim.scenario.budgets import Budget, parse_budgets
from sim.scenario.metric_names import RECOVERY

Verdict = Literal["ok", "broken", "insufficient"]


@dataclass(frozen=True)
class Judgement:
    """A budget, what the run says, and the verdict. ``straddles``: the interval reaches over the limit, so another run may differ."""

    budget: Budget
    value: Estimate
    verdict: Verdict
    straddles: bool
    why: str = ""

    @property
    def says(self) -> str:
        """What to print after the verdict; empty when there is nothing to add."""
        if self.why:
            return self.why
        if self.verdict == "insufficient":
            return "too few samples to say"
        return "the 95 % interval reaches over the limit" if self.straddles else ""


def judge(run: Run, budgets: tuple[Budget, ...] | None = None, window: Window | None = None) -> list[Judgement]:
    """Hold a run to budgets (default: its scenario's own)."""
    whole = window or Window(run)
    return [judge_one(whole, budget) for budget in (parse_budgets(run.scenario) if budgets is None else budgets)]


def judge_one(whole: Window, budget: Budget) -> Judgement:
    """``whole``: all that counts of the run."""
    run = whole.run
    if budget.metric is RECOVERY:
        return judge_recovery(time_to_recover(run, budget.fault), budget)
    selected = budget.spans(run.scenario), budget.classes(run.scenario), budget.targets(run.scenario)
    window = whole if selected == (None, None, None) else Window(run, *selected)
    return judge_value(budget, METRICS[budget.metric.name].of(window).times(budget.times))


def judge_recovery(found: Recovery, budget: Budget) -> Judgement:
    """What has not recovered when the run ends breaks any limit, and has no value."""
    if found.recovered is None:
        why = "too few samples before or after to say"
        if found.was_unwell:
            why = f"only {found.before:.1%} were answered before: there is nothing to recover to"
        return Judgement(budget, INSUFFICIENT, "insufficient", False, why)
    if found.time_s is None:
        return Judgement(budget, INSUFFICIENT, "broken", False, f"not recovered {seconds(found.observed_s)} later, when the run ended")
    return judge_value(budget, Estimate(found.time_s))


def judge_value(budget: Budget, value: Estimate) -> Judgement:
    """By the value; the interval only says how sure that is."""
    if value.value is None:
        return Judgement(budget, value, "insufficient", False)
    bounds = [bound for bound in (value.low, value.high) if bound is not None]
    holds = budget.holds(value.value)
    return Judgement(budget, value, "ok" if holds else "broken", any(budget.holds(bound) != holds for bound in bounds))
