"""Spend limits: a user that has cost too much in a window is refused until the next one."""

from __future__ import annotations

import pytest

from sim.analysis.metrics import measure
from sim.engine.runner import predict
from sim.gateway.chain import unused_figures
from sim.gateway.language import load
from sim.gateway.stages.spend_limit import check
from sim.kernel.refusals import NAMES
from sim.scenario.shipped import find_shipped
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import unchecked


def spending(per_user_usd, per="1h"):
    return by_hand(spend_limit={"per_user_usd": per_user_usd, "per": per})


def cost_of_one():
    hand = spending(1000.0)
    return hand.answer(hand.start(0.0), 1.0).cost_usd


def test_a_user_is_refused_once_it_has_spent_its_limit_and_others_are_not():
    hand = spending(1.5 * cost_of_one())
    first, second = hand.start(0.0), hand.start(0.0)  # nothing has been spent yet
    hand.answer(first, 1.0)
    assert hand.start(2.0).state == "performing"
    hand.answer(second, 3.0)
    refused = hand.start(4.0)
    assert (refused.state, NAMES[refused.refused_by]) == ("rate_limited", "spend per user")
    assert refused.user_spent_usd == pytest.approx(2 * cost_of_one())
    assert hand.start(4.0, user=1).state == "performing"


def test_a_new_window_starts_at_nothing():
    hand = spending(0.5 * cost_of_one(), per="1h")
    hand.answer(hand.start(0.0), 1.0)
    assert hand.start(3599.0).state == "rate_limited"
    assert hand.start(3600.0).state == "performing"


def test_a_call_is_charged_to_the_window_in_which_it_ends():
    hand = spending(0.5 * cost_of_one(), per="1h")
    hand.answer(hand.start(3599.0), 3601.0)
    assert hand.start(3602.0).state == "rate_limited"


def test_failed_attempts_that_are_billed_count():
    hand = spending(1e-9)
    hand.answer(hand.start(0.0), 1.0, status=500, first_s=0.5)  # it broke off in the middle
    assert hand.start(2.0).state == "rate_limited"


def test_all_users_together_are_refused_once_the_limit_is_spent_and_begin_anew():
    hand = by_hand(spend_limit={"global_usd": 1.5 * cost_of_one(), "per": "1h"})
    for user in (0, 1):
        hand.answer(hand.start(0.0, user=user), 1.0)
    refused = hand.start(2.0, user=2)
    assert (refused.state, NAMES[refused.refused_by]) == ("rate_limited", "global spend")
    assert hand.start(3600.0, user=2).state == "performing"


def test_a_limit_of_nothing_is_refused():
    (finding,) = check(unchecked(gateway={"spend_limit": {"per": "1h"}}))
    assert finding.path == ("gateway", "spend_limit")


def test_a_window_of_nothing_is_refused():
    (finding,) = check(unchecked(gateway={"spend_limit": {"per_user_usd": 1.0, "per": 0}}))
    assert finding.path == ("gateway", "spend_limit", "per")
    assert not list(check(unchecked(gateway={"spend_limit": {"per_user_usd": 1.0, "per": "1s"}})))


def test_its_figures_can_be_measured_and_budgeted():
    changes = ["gateway.spend_limit={per_user_usd: 0.01, per: 1m}", "workload.users.count=20", "budgets=[spend_limited_rate < 1%]"]
    run = predict(load(find_shipped("demo"), changes).scenario, replications=1)
    share = measure(run, "spend_limited_rate").value
    assert 0.05 < share < 0.95
    assert share == pytest.approx((run.requests["refused_by"][run.requests["arrival_s"] >= run.warmup_s] != 0).mean(), abs=0.02)
    assert measure(run, "user_spent_usd").value > 0.0


def test_only_runs_that_have_a_limit_show_its_figures():
    limited = unchecked(gateway={"spend_limit": {"per_user_usd": 1.0}})
    assert unused_figures(unchecked()) - unused_figures(limited) == {"spend_limited_rate", "global_spend_limited_rate", "user_spent_usd"}
