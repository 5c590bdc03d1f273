"""Checks between the parts of a scenario; the gallery of broken scenarios holds what each one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.gateway.language import load
from sim.scenario.errors import ScenarioError
from sim.scenario.size import MOST_REQUESTS, expected_requests

VALID = Path(__file__).parent / "valid.yaml"
ALONE = "workload.conversations="


@pytest.mark.parametrize(
    ("overrides", "requests"),
    [
        (["workload.arrivals={kind: poisson, rate: 3/s}"], 360),
        (["workload.arrivals={kind: gamma, rate: 60/min, cv: 3}"], 120),
        (["workload.arrivals={kind: stages, stages: [{rate: 1/s, duration: 1m}, {rate: 5/s, duration: 1m}]}"], 360),
        (["workload.arrivals={kind: users, daily_active: 7200, calls_per_day: 12}"], 120),
        (["workload.arrivals={kind: closed, clients: 25, think: {kind: constant, value: 1s}}", ALONE], 25),
    ],
)
def test_the_size_of_a_run_is_known_before_it_starts(overrides: list[str], requests: float) -> None:
    scenario = load(VALID, overrides).scenario
    assert expected_requests(scenario) == pytest.approx(requests)
    assert expected_requests(scenario, scale=10) == pytest.approx(10 * requests)


def test_a_run_beyond_the_cap_is_refused() -> None:
    rate = MOST_REQUESTS / 120 - 1
    assert load(VALID, [f"workload.arrivals.rate={rate:.3f}/s"]).scenario.name == "valid"
    with pytest.raises(ScenarioError, match="a run may have"):
        load(VALID, [f"workload.arrivals.rate={rate + 2:.3f}/s"])


@pytest.mark.parametrize(
    "needless", ["gateway.routing={kind: cheapest, models: [openai/gpt-4o]}", "gateway.routing.default=[openai/gpt-4o]"]
)
def test_a_class_may_need_nothing_where_the_routing_has_a_place_for_it(needless: str) -> None:
    load(VALID, [needless, "workload.requests.faq.needs="])


def test_shares_may_miss_one_by_rounding() -> None:
    load(VALID, ["workload.requests.faq.share=0.7500001"])
    with pytest.raises(ScenarioError, match="sum to 1"):
        load(VALID, ["workload.requests.faq.share=0.75001"])


def test_a_fault_may_state_what_it_would_have_anyway() -> None:
    load(VALID, ["faults[0].share=1"])


@pytest.mark.parametrize(
    "law", ["{kind: exponential, mean: 0.5}", "{kind: lognormal, median: 0.1, sigma: 0.2}", "{kind: constant, value: 0.9}"]
)
def test_a_batch_of_less_than_one_call_on_average_is_refused(law: str) -> None:
    with pytest.raises(ScenarioError, match="expected batches of 1 call or more on average"):
        load(VALID, [f"workload.arrivals.batch={law}", ALONE])


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["workload.arrivals.batch={kind: constant, value: 1201}", ALONE], "about 1,200 calls in all: a run may well have no batch"),
        (["workload.arrivals.batch={kind: geometric, mean: 400}"], "400 conversations begin together on average, and about 300 in all"),
    ],
)
def test_a_run_that_is_not_expected_to_have_a_batch_is_a_warning(overrides: list[str], says: str) -> None:
    calls = ["workload.arrivals=10/s", "workload.conversations.turns={kind: geometric, mean: 4}", "gateway.context=full"]
    (warning,) = load(VALID, [*calls, *overrides]).warnings
    assert warning.path == "workload.arrivals.batch"
    assert says in warning.message


def test_batches_of_which_there_are_some_are_no_matter() -> None:
    for law in ("{kind: geometric, mean: 1}", "{kind: constant, value: 1200}"):
        assert not load(VALID, ["workload.arrivals=10/s", f"workload.arrivals.batch={law}", ALONE, "gateway.context=full"]).warnings


def test_conversations_that_send_no_earlier_turns_without_anybody_having_said_so_are_a_warning() -> None:
    alone = ["workload.requests=[{name: faq, prompts: {catalog: 100}, needs: small, tokens: {input: 100, output: 10}}]"]

    def warned(*overrides: str) -> list[str]:
        return [each.message for each in load(VALID, list(overrides)).warnings if each.path == "workload.requests[0].prompts"]

    (message,) = warned(*alone)
    assert "no call sends earlier turns along" in message
    assert [warned(*alone, f"workload.requests.faq.history={said}") for said in ("true", "false")] == [[], []]
    assert warned() == [], "the other class brings its history"


def test_a_spend_limit_whose_window_is_longer_than_the_run_is_a_warning() -> None:
    (warning,) = load(VALID, ["gateway.spend_limit={global_usd: 5}"]).warnings
    assert warning.path == "gateway.spend_limit.per"
    assert not load(VALID, ["gateway.spend_limit={global_usd: 5, per: 1m}"]).warnings
