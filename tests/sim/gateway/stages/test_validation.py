"""Input validation: what is malformed is refused, injections as far as they are found, at the stated time and price."""

from __future__ import annotations

import pytest

from sim.analysis.metrics import measure
from sim.engine.runner import predict
from sim.gateway.language import load
from sim.gateway.stages.validation import INJECTED, MALFORMED, check
from sim.kernel.refusals import NAMES
from sim.scenario.shipped import find_shipped
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import unchecked


def checked(**validation):
    return by_hand(validation=validation)


def test_a_malformed_request_is_refused_at_once_and_free():
    c = checked(malformed=1, time="20ms", price=1).start(0.0)
    assert (c.state, NAMES[c.refused_by], c.unsound, c.latency_s, c.cost_usd) == ("rejected", "malformed request", MALFORMED, 0.0, 0.0)


def test_an_injection_that_is_found_is_refused_after_the_check_which_is_paid():
    hand = checked(injected=1, time="20ms", price=2)
    c = hand.start(0.0, prompt_tokens=1000)
    assert c.state == "waiting"
    hand.time_comes(c)
    assert (c.state, NAMES[c.refused_by], c.unsound) == ("rejected", "prompt injection", INJECTED)
    assert (c.latency_s, c.validation_s, c.validation_usd, c.cost_usd) == (0.02, 0.02, pytest.approx(0.002), pytest.approx(0.002))


def test_an_injection_that_is_not_found_passes():
    c = checked(injected=1, finds=0).start(0.0)
    assert (c.state, c.injection_passed) == ("performing", True)


def test_shares_come_as_stated():
    hand = checked(malformed=0.1, injected=0.2, finds=0.5, false_alarms=0.1)
    calls = [hand.start(0.0) for _ in range(4000)]
    refused = [NAMES[c.refused_by] for c in calls]
    assert refused.count("malformed request") / 4000 == pytest.approx(0.1, abs=0.02)
    assert refused.count("prompt injection") / 4000 == pytest.approx(0.2 * 0.5 + 0.7 * 0.1, abs=0.02)
    assert sum(c.injection_passed for c in calls) / 4000 == pytest.approx(0.1, abs=0.02)


def test_shares_beyond_the_whole_are_refused():
    (finding,) = check(unchecked(gateway={"validation": {"malformed": 0.6, "injected": 0.6}}))
    assert finding.path == ("gateway", "validation", "injected")


def test_its_figures_can_be_measured_and_budgeted():
    changes = [
        "gateway.validation={malformed: 5%, injected: 10%, finds: 70%, time: 10ms, price: 0.1}",
        "budgets=[injection_passed_rate < 5%]",
    ]
    run = predict(load(find_shipped("demo"), changes).scenario, replications=1)
    found, passed = measure(run, "injection_refused_rate").value, measure(run, "injection_passed_rate").value
    assert found / (found + passed) == pytest.approx(0.7, abs=0.15)
    assert measure(run, "malformed_rate").value == pytest.approx(0.05, abs=0.04)
    assert measure(run, "validation_usd").value > 0.0
