"""Budgets held to what a run says: the verdict, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sim.analysis.estimators import Estimate
from sim.analysis.metrics import METRICS
from sim.analysis.window import Window
from sim.data.run import Run
from sim.scenario.budgets import Budget, parse_budgets

Verdict = Literal["ok", "broken", "insufficient"]


@dataclass(frozen=True)
class Judgement:
    """A budget, what the run says, and the verdict. ``straddles``: the interval reaches over the limit, so another run may differ."""

    budget: Budget
    value: Estimate
    verdict: Verdict
    straddles: bool

    @property
    def says(self) -> str:
        """What to print after the verdict; empty when there is nothing to add."""
        if self.verdict == "insufficient":
            return "too few samples to say"
        return "the 95 % interval reaches over the limit" if self.straddles else ""


def judge(run: Run, budgets: tuple[Budget, ...] | None = None, window: Window | None = None) -> list[Judgement]:
    """Hold a run to budgets (default: its scenario's own)."""
    whole = window or Window(run)
    judged = []
    for budget in parse_budgets(run.scenario) if budgets is None else budgets:
        spans = budget.spans(run.scenario)
        value = METRICS[budget.metric.name].of(whole if spans is None else Window(run, spans)).times(budget.times)
        judged.append(judge_value(budget, value))
    return judged


def judge_value(budget: Budget, value: Estimate) -> Judgement:
    """By the value; the interval only says how sure that is."""
    if value.value is None:
        return Judgement(budget, value, "insufficient", False)
    bounds = [bound for bound in (value.low, value.high) if bound is not None]
    holds = budget.holds(value.value)
    return Judgement(budget, value, "ok" if holds else "broken", any(budget.holds(bound) != holds for bound in bounds))
