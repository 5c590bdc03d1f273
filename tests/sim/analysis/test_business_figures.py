"""Business figures: tasks completed, satisfaction, what they cost, and what the month will."""

from __future__ import annotations

from math import e

import numpy as np
import pytest

from sim.analysis.budgets import judge
from sim.analysis.metrics import measure
from sim.data.outcomes import ABANDONED, ERROR, OK
from sim.scenario.budgets import BudgetError, parse_budget
from tests.sim.synthetic_runs import rows, run_of, scenario

TALKS = {"conversations": {"turns": {"kind": "constant", "value": 3}, "think": {"kind": "constant", "value": "1s"}}}


def with_workload(budgets=(), **words):
    base = scenario(budgets=list(budgets))
    return base.model_validate({**base.model_dump(by_alias=True, mode="json"), "workload": {**workload_of(base), **words}})


def workload_of(base):
    return base.model_dump(by_alias=True, mode="json", exclude_none=True)["workload"]


def in_threes(count: int, **columns):
    """Rows of conversations with three turns each."""
    number = np.arange(count)
    return rows(count, conversation=number // 3, turn=number % 3, **columns)


def test_a_task_is_completed_when_every_turn_was_answered() -> None:
    outcome = np.full(600, OK)
    outcome[[301, 302, 330, 599]] = ERROR, ABANDONED, ERROR, ERROR  # in conversations 100, 110 and 199
    run = run_of(in_threes(600, outcome=outcome, cost_usd=0.01), scenario=with_workload(**TALKS))
    begun = 180  # after the warm-up of sixty requests
    assert measure(run, "task_completion").value == pytest.approx((begun - 3) / begun)
    assert measure(run, "cost_usd.per_completed_conversation").value == pytest.approx(540 * 0.01 / (begun - 3))


def test_without_conversations_there_is_no_task() -> None:
    assert measure(run_of(rows(600)), "task_completion").value is None


def test_apdex_counts_the_satisfied_whole_and_the_tolerating_half() -> None:
    kind = np.arange(600) % 4
    wait_s = np.choose(kind, [1.0, 2.0, 7.9, 8.1])  # satisfied, satisfied, tolerating, frustrated
    run = run_of(rows(600, ttft_s=wait_s, latency_s=wait_s + 30), scenario=with_workload(client={"satisfied": "2s"}))
    assert measure(run, "apdex").value == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    failed = run_of(rows(600, ttft_s=wait_s, outcome=np.where(kind == 0, ERROR, OK)), scenario=with_workload(client={"satisfied": "2s"}))
    assert measure(failed, "apdex").value == pytest.approx((0 + 1 + 0.5 + 0) / 4), "a failure frustrates, however quick"
    assert measure(run_of(rows(600)), "apdex").value is None, "nobody said what satisfies"


def test_the_projected_month_grows_with_the_traffic() -> None:
    at_once = run_of(rows(600, cost_usd=0.01))
    assert measure(at_once, "cost_usd.projected_month").value == measure(at_once, "cost_usd.per_month").value
    growing = run_of(rows(600, cost_usd=0.01), scenario=with_workload(growth=e - 1))
    month = measure(growing, "cost_usd.per_month").value
    assert measure(growing, "cost_usd.projected_month").value == pytest.approx(month * (e - 1)), "the integral of e^t over one month"


def test_budgets_select_by_provider_and_model() -> None:
    names = [f"{provider}/{model}" for provider, each in scenario().providers.items() for model in each.models]
    target = np.arange(600) % len(names)
    budgets = [f"cost.request{{model={names[0]}}} < 2 USD", f"cost.request{{provider={names[-1].split('/')[0]}}} < 0.1 USD"]
    run = run_of(rows(600, target=target, cost_usd=1.0 + target), scenario=scenario(budgets=budgets))
    first, second = judge(run)
    assert (first.value.value, first.verdict) == (1.0, "ok")
    assert second.verdict == "broken"


def test_a_target_that_is_not_there_is_said() -> None:
    with pytest.raises(BudgetError, match="no target with provider=nobody"):
        parse_budget("cost.month{provider=nobody} < 1 USD").check(scenario())
