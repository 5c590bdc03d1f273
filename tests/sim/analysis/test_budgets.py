"""Budgets are read strictly, judged by the value, and honest about what the samples cannot say."""

import re

import numpy as np
import pytest

from sim.analysis.budgets import Judgement, judge, judge_value
from sim.analysis.estimators import Estimate
from sim.data.outcomes import ERROR
from sim.scenario.budgets import BudgetError, find_metric, merged, parse_budget, parse_budgets, phase_spans, spoken_names
from tests.sim.synthetic_runs import rows, run_of, scenario, synthetic_run


@pytest.mark.parametrize(
    ("text", "metric", "limit"),
    [
        ("latency.p99 < 8s", "latency_s.p99", 8.0),
        ("latency.p99.9 <= 250ms", "latency_s.p999", 0.25),
        ("ttft.p95<4s", "ttft_s.p95", 4.0),
        ("availability > 99.5%", "availability", 0.995),
        ("availability >= 0.995", "availability", 0.995),
        ("goodput > 95 %", "goodput", 0.95),
        ("cost.month < 60000 USD", "cost_usd.per_month", 60_000.0),
        ("cost.per_1k < $0.40", "cost_usd.per_request", 0.40),
        ("queue_depth.max < 100", "queue_depth.max", 100.0),
        ("error_rate < 1%", "error_rate.total", 0.01),
        ("error_rate.timeout < 1%", "error_rate.timeout", 0.01),
        ("throughput > 40/s", "throughput_rps", 40.0),
        ("throughput > 2400/min", "throughput_rps", 40.0),
        ("attempts_per_request < 1.2", "attempts_per_request", 1.2),
        ("cost.completed_conversation < 1 USD", "cost_usd.per_completed_conversation", 1.0),
        ("task_completion > 99%", "task_completion", 0.99),
        ("apdex > 0.85", "apdex", 0.85),
        ("cost_usd.per_user_month < 3 USD", "cost_usd.per_user_month", 3.0),
    ],
)
def test_budgets_as_people_write_them(text: str, metric: str, limit: float) -> None:
    budget = parse_budget(text)
    assert (budget.metric.name, budget.limit) == (metric, pytest.approx(limit))


@pytest.mark.parametrize("name", spoken_names())
def test_every_name_that_a_hint_may_offer_is_understood(name: str) -> None:
    metric = find_metric(name, name)
    quantity = {"s": "1s", "share": "50%", "USD": "1 USD", "/s": "1/s"}.get(metric.unit, "1")
    assert parse_budget(f"{name} {'>' if metric.better == 'higher' else '<'} {quantity}").metric is metric


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency.p99", "'latency.p99': expected a metric, a comparison and a quantity, such as 'latency.p99 < 8s'"),
        ("latancy.p99 < 8s", "'latancy.p99 < 8s': there is no metric 'latancy.p99'; did you mean 'latency.p99'?"),
        ("latency.p98 < 8s", "'latency.p98 < 8s': there is no metric 'latency.p98'; did you mean 'latency.p99'?"),
        ("cost.monthly < 5 USD", "'cost.monthly < 5 USD': there is no metric 'cost.monthly'; did you mean 'cost.month'?"),
        ("latency.p99 < 8", "'latency.p99 < 8': expected a duration with its unit, such as 250ms, 10s, 5m or 2h, found '8'"),
        ("latency.p99 > 8s", "'latency.p99 > 8s': latency.p99 is better when lower, so expected '<'"),
        ("availability < 99%", "'availability < 99%': availability is better when higher, so expected '>'"),
        ("availability > 99.5", "'availability > 99.5': expected a share such as 99.5% or 0.995, found '99.5'"),
        ("availability > 101%", "'availability > 101%': expected a share such as 99.5% or 0.995, found '101%'"),
        ("cost.month < 60000", "'cost.month < 60000': expected an amount such as 60000 USD, found '60000'"),
        ("cost.month < 60000 EUR", "'cost.month < 60000 EUR': expected an amount such as 60000 USD, found '60000 EUR'"),
        ("queue_depth.max < 10s", "'queue_depth.max < 10s': expected a plain number, found '10s'"),
        ("latency.p99 = 8s", "'latency.p99 = 8s': expected one of <, <=, >, >= instead of '='"),
        ("latency.p99 < 8s @outge", "'latency.p99 < 8s @outge': there is no phase 'outge'; did you mean '@outage'?"),
        ("latency.p99 < 1" + "0" * 400 + "s", "expected a finite number"),
    ],
)
def test_a_budget_that_cannot_be_understood_says_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(BudgetError) as caught:
        parse_budget(text)
    assert message in str(caught.value)


def test_budgets_are_judged_by_their_value() -> None:
    run = run_of(rows(600, latency_s=9.0), scenario=scenario(budgets=["latency.p99 < 9s", "latency.p99 <= 9s", "availability > 99%"]))
    assert [judgement.verdict for judgement in judge(run)] == ["broken", "ok", "ok"]


def test_an_interval_over_the_limit_is_said() -> None:
    budget = parse_budget("latency.p99 < 8s")
    assert judge_value(budget, Estimate(7.9, 7.5, 8.3)).says == "the 95 % interval reaches over the limit"
    assert judge_value(budget, Estimate(7.9, 7.5, 7.99)).says == ""
    assert judge_value(budget, Estimate(8.1, 7.9, 8.3)).straddles
    assert not judge_value(budget, Estimate(8.1)).straddles


def test_too_few_samples_are_neither_ok_nor_broken() -> None:
    (judgement,) = judge(run_of(rows(300), scenario=scenario(budgets=["latency.p99 < 8s"])))
    assert (judgement.verdict, judgement.says) == ("insufficient", "too few samples to say")


def test_cost_per_thousand_is_a_thousand_times_the_cost_of_one() -> None:
    (judgement,) = judge(run_of(rows(600, cost_usd=0.0003), scenario=scenario(budgets=["cost.per_1k < 0.40 USD"])))
    assert judgement.value.value == pytest.approx(0.3)
    assert judgement.verdict == "ok"


def test_a_phase_holds_a_budget_to_its_own_time() -> None:
    texts = [f"error_rate.error < 0.5% @{phase}" for phase in ("before", "during", "after", "outage", "after:outage")]
    run = synthetic_run(replications=4, scenario=scenario(budgets=texts))
    assert [judgement.verdict for judgement in judge(run)] == ["ok", "broken", "ok", "broken", "ok"]


def test_phases_lie_between_warm_up_and_end() -> None:
    plan = scenario(
        faults=[
            {"kind": "outage", "provider": "openai", "at": "30s", "for": "60s"},
            {"kind": "outage", "provider": "anthropic", "at": "80s", "for": "20s"},
            {"kind": "brownout", "provider": "openai", "at": "590s", "for": "60s"},
        ]
    )
    assert phase_spans(plan, "during") == [(60, 100), (590, 600)]
    assert phase_spans(plan, "before") == []
    assert phase_spans(plan, "after", "outage") == [(100, 600)]
    assert merged([(5, 6), (1, 3), (2, 4)]) == [(1, 4), (5, 6)]


def test_a_phase_of_a_fault_that_never_happens_is_refused() -> None:
    with pytest.raises(BudgetError, match="the scenario has no fault of kind brownout"):
        parse_budgets(scenario(budgets=["latency.p99 < 8s @brownout"]))


def test_a_selector_holds_a_budget_to_some_requests_only() -> None:
    made = rows(1200, latency_s=1.0)
    made["kind"][::2] = 1
    made["latency_s"][::2] = 9.0
    texts = [
        f"latency.p99{{{selector}}} < 8s" for selector in ("class=faq", "class: reasoning", "feature=agents", "class=faq, needs=default")
    ]
    run = run_of(made, scenario=scenario(budgets=[*texts, "throughput{class=faq} > 1/s"]))
    judged = judge(run)
    assert [judgement.verdict for judgement in judged] == ["ok", "broken", "broken", "ok", "broken"]
    assert judged[-1].value.value == pytest.approx(0.5), "half of one a second"


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("class=fqa", "no request has class 'fqa'; did you mean 'faq'?"),
        ("class=faq, feature=agents", "no request has all of class=faq, feature=agents"),
        ("clas=faq", "requests cannot be selected by 'clas'; did you mean 'class'?"),
        ("tier=gold", "requests cannot be selected by 'tier'; expected one of class, feature, needs, provider, model"),
        ("faq", "expected requests selected by class, feature, needs, provider, model, such as {class=chat}, found {faq}"),
    ],
)
def test_a_selector_of_no_requests_is_refused(selector: str, message: str) -> None:
    with pytest.raises(BudgetError, match=re.escape(message)):
        parse_budgets(scenario(budgets=[f"latency.p99{{{selector}}} < 8s"]))


def test_what_is_of_the_whole_gateway_has_no_selector() -> None:
    with pytest.raises(BudgetError, match=r"queue_depth\.max is of the whole gateway"):
        parse_budget("queue_depth.max{class=faq} < 9")


def outage(down_until_s: float) -> list[Judgement]:
    """Nothing is answered from 300 s, when the outage begins (it ends at 390 s), until then."""
    made = rows(6000, arrival_s=np.arange(6000) / 10)
    down = (made["arrival_s"] >= 300) & (made["arrival_s"] < down_until_s)
    made["outcome"][down] = ERROR
    return judge(run_of(made, scenario=scenario(budgets=["recovery_time < 30s @outage", "recovery_time < 5m"])))


def test_recovery_is_a_budget_counted_from_the_end_of_the_fault() -> None:
    assert [one.verdict for one in outage(400)] == ["ok", "ok"]
    assert [one.verdict for one in outage(450)] == ["broken", "ok"]
    assert outage(450)[0].value.value == pytest.approx(60, abs=10)


def test_what_never_recovers_breaks_any_limit_and_has_no_value() -> None:
    never = outage(600)
    assert [(one.verdict, one.value.value) for one in never] == [("broken", None)] * 2
    assert "not recovered 210 s later" in never[0].says
