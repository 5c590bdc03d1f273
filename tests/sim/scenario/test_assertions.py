"""Assertions are read strictly, before anything runs; and one scenario's faults can be laid over another."""

import json

import pytest

from sim.gateway.language import load
from sim.scenario.assertions import Coverage, Figure, Recovery, parse_assertion
from sim.scenario.budgets import BudgetError, phase_spans
from sim.scenario.errors import ScenarioError
from sim.scenario.overlay import NothingToLay, overlay

OUTCOMES = ("ok", "rate_limited", "timeout", "abandoned")
LIMITS = ("provider requests limit", "queue")


def parsed(text):
    return parse_assertion(text, OUTCOMES, LIMITS)


def test_assertions_as_people_write_them():
    figure = parsed("availability > 99% @after:outage")
    assert isinstance(figure, Figure)
    assert (figure.budget.limit, figure.budget.phase, figure.budget.fault) == (0.99, "after", "outage")
    grown = parsed("cost.request > 5x @during:outage")
    assert isinstance(grown, Figure)
    assert (grown.relative, grown.budget.limit, grown.budget.metric.name) == (True, 5.0, "cost_usd.per_request")
    assert parsed("recovery_time  <  30s @outage") == Recovery("recovery_time < 30s @outage", "<", 30.0, "outage")
    assert parsed("sometimes breaker opens") == Coverage("sometimes breaker opens", "sometimes", "breaker", "open")
    assert parsed("never timeout @before").phase == "before"
    assert parsed('sometimes refused_by "provider requests limit" @during').which == "provider requests limit"


def test_an_assertion_may_want_the_bad():
    assert parsed("availability < 1% @after").budget.comparison == "<"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("availabilty > 1%", "did you mean 'availability'?"),
        ("recovery_tme < 3s @outage", "did you mean 'recovery_time'?"),
        ("recovery_time < 3 @outage", "expected a duration with its unit"),
        ("recovery_time < 3s @before", "nothing to recover from before a fault"),
        ("recovery_time < 3s @outge", "did you mean '@outage'?"),
        ("cost.request > 5x", "expected a phase"),
        ("sometimes brekaer opens", "did you mean 'breaker'?"),
        ("sometimes breaker open", "did you mean 'breaker opens'?"),
        ("sometimes rate_limted", "did you mean 'rate_limited'?"),
        ('sometimes refused_by "provider request limit"', "did you mean 'provider requests limit'?"),
        ("someties timeout", "did you mean 'sometimes'?"),
        ("sometimes", "expected sometimes or never, and one of"),
    ],
)
def test_what_cannot_be_observed_is_refused_with_a_hint(text, said):
    with pytest.raises(BudgetError, match=said.replace("?", r"\?").replace("(", r"\(")):
        parsed(text)


@pytest.mark.parametrize(
    ("assertion", "said"),
    [
        ("availability > 9% @after:errors", "no fault of kind errors"),
        ("recovery_time < 9s @stall", "no fault of kind stall"),
        ("sometimes breaker opens", "the gateway has no breaker"),
    ],
)
def test_phases_and_stages_that_the_scenario_does_not_have_are_refused(assertion, said):
    with pytest.raises(ScenarioError, match=said):
        load("chaos/retry_storm", [f"assertions={json.dumps([assertion])}"])


def test_a_scenario_that_is_to_fail_needs_a_budget():
    with pytest.raises(ScenarioError, match="no budget that could be broken"):
        load("chaos/retry_storm", ["budgets=[]"])


def test_assertions_and_expectations_leave_the_hash_of_other_scenarios_alone():
    assert "assertions" not in load("launch").yaml_text
    assert "expected" not in load("launch").yaml_text


def test_a_spike_of_arrivals_is_a_phase_too():
    stages = "{kind: stages, stages: [{rate: 1/s, duration: 60s}, {rate: 10/s, duration: 30s}, {rate: 1/s, duration: 60s}]}"
    changes = [f"workload.arrivals={stages}", "workload.duration=150s", "workload.warmup=0", "faults=[]", "budgets=[]"]
    scenario = load("launch", [*changes, "assertions=[availability > 50% @during:spike]"]).scenario
    assert phase_spans(scenario, "during", "spike") == [(60.0, 90.0)]
    assert phase_spans(scenario, "after") == [(90.0, 150.0)]


def test_faults_laid_over_a_scenario_strike_its_own_providers_as_far_into_it():
    under = load("chaos/retry_storm", ["workload.duration=130s", "workload.warmup=10s"]).scenario
    faults, budgets, assertions = (json.loads(text.partition("=")[2]) for text in overlay(load("chaos/provider_blackout").scenario, under))
    assert [(fault["provider"], fault["kind"]) for fault in faults] == [("server", "outage")]
    squeeze = 120 / 540
    assert float(faults[0]["at"][:-1]) == pytest.approx(10 + 180 * squeeze)
    assert float(faults[0]["for"][:-1]) == pytest.approx(120 * squeeze, rel=1e-4)
    assert assertions == ["recovery_time < 60s @outage"], "it has no breaker, and its figures are its own"
    assert budgets == ["availability > 99% @after:outage"]


def test_budgets_about_faults_that_are_no_longer_there_are_left_out():
    laid = overlay(load("chaos/provider_brownout").scenario, load("chaos/retry_storm").scenario)
    assert "budgets=[]" in laid


def test_a_shared_cause_that_has_one_provider_left_strikes_it_once():
    faults = overlay(load("chaos/correlated_providers").scenario, load("chaos/retry_storm").scenario)[0]
    assert "also" not in json.loads(faults.partition("=")[2])[0]


def test_a_scenario_without_faults_cannot_be_laid_over_another():
    with pytest.raises(NothingToLay, match="its own traffic or limits"):
        overlay(load("chaos/cache_flush_herd").scenario, load("launch").scenario)


def test_incidents_have_the_times_of_public_ones_and_own_fields_win():
    fault = "{kind: outage, provider: openai, preset: openai-api, at: 2m, for: 5m, lasting: {kind: constant, value: 1m}}"
    loaded = load("launch", [f"faults=[{fault}]"])
    struck = loaded.scenario.faults[0]
    assert (struck.every.scale, struck.every.shape, struck.lasting.value) == (92 * 3600.0, 0.65, 60.0)
