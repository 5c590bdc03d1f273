"""Tiering: a classifier sends requests to tiers, errs as often as stated, and a poor answer that is noticed is asked again."""

from __future__ import annotations

import pytest

from sim.analysis.metrics import measure
from sim.engine.runner import predict
from sim.gateway.language import load
from sim.gateway.stages.tiering import TOO_LARGE, TOO_SMALL, check
from sim.scenario.shipped import find_shipped
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import unchecked

TIERS = {"routing": {"kind": "capability", "small": ["a/one"], "default": ["b/two"]}}
SMALL, LARGE = 0, 1


def tiered(**classifier):
    return by_hand(**TIERS, classifier=classifier)


def test_without_errors_each_goes_where_it_needs():
    hand = tiered(misclassified=0)
    assert [hand.start(0.0, needs=needs).target for needs in (SMALL, LARGE)] == [0, 1]


def test_with_nothing_but_errors_each_goes_to_another_tier():
    hand = tiered(misclassified=1)
    poor, dear = hand.start(0.0, needs=LARGE), hand.start(0.0, needs=SMALL)
    assert (poor.target, poor.misrouted, dear.target, dear.misrouted) == (0, TOO_SMALL, 1, TOO_LARGE)
    hand.answer(poor, 1.0)
    hand.answer(dear, 1.0)
    assert (poor.state, poor.poor_answer, dear.state, dear.poor_answer) == ("ok", True, "ok", False)


def test_errors_come_as_often_as_stated_and_to_each_other_tier_alike():
    tiers = {"kind": "capability", "small": ["a/one"], "middle": ["a/one", "b/two"], "default": ["b/two"]}
    hand = by_hand(routing=tiers, classifier={"misclassified": 0.3})
    calls = [hand.start(0.0, needs=1) for _ in range(3000)]
    assert sum(c.misrouted == TOO_SMALL for c in calls) / 3000 == pytest.approx(0.15, abs=0.02)
    assert sum(c.misrouted == TOO_LARGE for c in calls) / 3000 == pytest.approx(0.15, abs=0.02)


def test_a_poor_answer_that_is_noticed_is_asked_again_and_both_are_paid():
    hand = tiered(misclassified=1, notices=1)
    c = hand.start(0.0, needs=LARGE, streams=True)
    assert hand.answer(c, 1.0, first_s=0.4).state == "performing"
    assert (c.target, c.streams, c.committed) == (1, True, False)
    hand.answer(c, 3.0, first_s=0.5)
    assert (c.state, c.poor_answer, c.attempts, c.escalated_s) == ("ok", False, 2, pytest.approx(1.0))
    assert (c.latency_s, c.ttft_s, c.first_token_s + c.generation_s) == (pytest.approx(3.0), pytest.approx(1.5), pytest.approx(2.0))
    assert c.cost_usd == pytest.approx(2 * (10 * 1e-6 + 5 * 2e-6))
    assert hand.is_idle()


def test_an_answer_that_may_be_poor_is_shown_when_it_is_whole():
    hand = tiered(misclassified=0, notices=1)
    c = hand.start(0.0, needs=SMALL, streams=True)
    hand.answer(c, 1.0, first_s=0.4)
    assert (c.state, c.ttft_s) == ("ok", pytest.approx(1.0))


def test_the_retries_of_the_second_time_are_its_own():
    hand = by_hand(**TIERS, classifier={"misclassified": 1, "notices": 1}, retry={"attempts": 2, "backoff": {"kind": "none"}})
    c = hand.start(0.0, needs=LARGE)
    hand.answer(c, 1.0)
    hand.answer(c, 2.0, status=503)
    hand.time_comes(c)
    assert (hand.answer(c, 3.0).state, c.attempts, c.target) == ("ok", 3, 1)


def test_judging_takes_its_time_and_its_price():
    hand = tiered(misclassified=0, time="15ms", price=0.1)
    c = hand.start(0.0, prompt_tokens=1000)
    assert c.state == "waiting"
    hand.answer(hand.time_comes(c), 1.015)
    assert (c.classifier_s, c.classifier_usd) == (pytest.approx(0.015), pytest.approx(1e-4))
    assert c.cost_usd == pytest.approx(1e-4 + 1000 * 1e-6 + 5 * 2e-6)


def test_tiers_are_capabilities():
    routing = {"kind": "round-robin", "models": ["a/one"]}
    (finding,) = check(unchecked(gateway={"routing": routing, "classifier": {"misclassified": 0.1}}))
    assert finding.path == ("gateway", "classifier")


def test_its_figures_can_be_measured_and_budgeted():
    changes = ["gateway.classifier={misclassified: 20%, time: 20ms, price: 0.05, notices: 50%}", "budgets=[poor_answer_rate < 5%]"]
    run = predict(load(find_shipped("demo"), changes).scenario, replications=1)
    assert measure(run, "too_small_rate").value + measure(run, "too_large_rate").value == pytest.approx(0.2, abs=0.07)
    assert 0.0 < measure(run, "poor_answer_rate").value < measure(run, "too_small_rate").value
    assert measure(run, "classifier_usd").value > 0.0
