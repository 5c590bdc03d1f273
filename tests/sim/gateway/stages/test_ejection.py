"""Ejection: what each kind counts, and how a target comes back. ``tests/loadtest/targets/test_recorded.py`` has what the real ones did."""

from __future__ import annotations

import pytest

from sim.gateway.hooks import permits
from sim.gateway.language import check
from sim.kernel.refusals import NAMES
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, unchecked

BOTH = {"kind": "round-robin", "models": ["a/one", "b/two"]}
ENVOY = {"kind": "envoy", "consecutive_5xx": 2, "interval": "1s", "base_ejection_time": "3s", "max_ejection_percent": 0.5}
TWICE = {"attempts": 2, "to": "next", "backoff": {"kind": "none"}}


def ejecting(kind, routing=BOTH, **gateway):
    return by_hand(ejection=kind, routing=routing, **gateway)


def fail(hand, at_s, target=0, status=500, retry_after_s=float("nan")):
    """A call that fails at this target, wherever it was sent."""
    c = hand.start(at_s)
    c.aim = target
    return hand.answer(c, at_s, status=status, retry_after_s=retry_after_s)


def succeed(hand, at_s, target=0):
    return fail(hand, at_s, target, 200)


def test_a_success_between_failures_keeps_a_target_in():
    hand = ejecting(ENVOY)
    for at_s in (0.1, 0.3, 0.5):
        fail(hand, at_s)
        succeed(hand, at_s + 0.1)
    assert permits(hand.g, 0, 1.0)
    fail(hand, 1.0)
    fail(hand, 1.1)
    assert not permits(hand.g, 0, 1.1)


def test_envoy_lets_in_at_a_sweep_and_ejects_for_longer_each_time():
    hand = ejecting(ENVOY)
    fail(hand, 0.1), fail(hand, 0.2)
    assert not permits(hand.g, 0, 3.9)
    assert permits(hand.g, 0, 4.0), "the first sweep after 3.2 s"
    fail(hand, 4.3), fail(hand, 4.4)
    assert permits(hand.g, 0, 5.3), "within the merge window of the last change"
    assert not permits(hand.g, 0, 5.5)
    assert not permits(hand.g, 0, 10.9)
    assert permits(hand.g, 0, 11.0), "6 s after 4.4 s, at a sweep"


def test_sweeps_that_find_a_target_in_forget_its_ejections():
    hand = ejecting(ENVOY)
    fail(hand, 0.1), fail(hand, 0.2)
    fail(hand, 8.3), fail(hand, 8.4)
    assert permits(hand.g, 0, 12.0), "3 s again"


def test_envoy_ejects_no_more_than_its_share_and_panics_with_too_few():
    hand = ejecting(ENVOY)
    for target in (0, 1):
        fail(hand, 0.1, target), fail(hand, 0.2, target)
    assert [permits(hand.g, target, 0.3) for target in (0, 1)] == [False, True]
    hand = ejecting(ENVOY | {"max_ejection_percent": 1.0})
    for target in (0, 1):
        fail(hand, 0.1, target), fail(hand, 0.2, target)
    assert [permits(hand.g, target, 1.5) for target in (0, 1)] == [True, True]


def test_haproxy_marks_up_after_so_many_checks_and_does_not_count_what_the_request_is_to_blame_for():
    hand = ejecting({"kind": "haproxy", "error_limit": 2, "inter": "2s", "rise": 3})
    for status in (501, 505, 429, 404):
        fail(hand, 0.5, status=status)
    assert permits(hand.g, 0, 0.5)
    fail(hand, 0.6), fail(hand, 0.7, status=503)
    assert not permits(hand.g, 0, 5.9)
    assert permits(hand.g, 0, 6.0), "checks at 2, 4 and 6 s"


def test_haproxy_counts_anew_from_each_check_also_while_the_target_is_down():
    hand = ejecting({"kind": "haproxy", "error_limit": 3, "inter": "2s", "rise": 2})
    fail(hand, 1.8), fail(hand, 1.9), fail(hand, 2.1), fail(hand, 2.2)
    assert permits(hand.g, 0, 2.2), "a check passed at 2 s"
    late = [hand.start(2.3) for _ in range(6)]
    for c, at_s in zip([c for c in late if c.aim == 0], (2.4, 5.0, 5.1), strict=True):
        hand.answer(c, at_s, status=500)
    assert not permits(hand.g, 0, 5.9), "down at 2.4 s"
    assert permits(hand.g, 0, 6.0), "those at 5 s are not three since the check at 4 s"


def test_with_all_targets_out_calls_are_refused_by_name():
    hand = ejecting({"kind": "haproxy", "error_limit": 1})
    fail(hand, 0.1, 0), fail(hand, 0.1, 1)
    c = hand.start(0.2)
    assert (c.state, NAMES[c.refused_by]) == ("error", "no healthy target")


def test_nginx_lets_one_call_try_while_others_go_elsewhere():
    hand = ejecting({"kind": "nginx", "max_fails": 1, "fail_timeout": "2s"}, retry=TWICE)
    fail(hand, 0.9)
    assert not permits(hand.g, 0, 2.9)
    assert permits(hand.g, 0, 3.0), "whole seconds: more than two after second 0"
    trial = hand.start(3.1)
    while trial.aim != 0:
        hand.answer(trial, 3.1)
        trial = hand.start(3.1)
    assert not permits(hand.g, 0, 3.2), "its trial is under way"
    hand.answer(trial, 3.3)
    assert permits(hand.g, 0, 3.3)


def test_nginx_counts_a_status_only_when_the_call_goes_on():
    once = ejecting({"kind": "nginx"})
    fail(once, 0.1)
    assert permits(once.g, 0, 0.2)
    refused = ejecting({"kind": "nginx"})
    fail(refused, 0.1, status=0)
    assert not permits(refused.g, 0, 0.2), "a refused connection counts in any case"


def test_litellm_goes_by_more_than_half_of_at_least_five_and_by_one_429():
    hand = ejecting({"kind": "litellm"})
    for at_s in (0.1, 0.2):
        succeed(hand, at_s)
        fail(hand, at_s)
    assert permits(hand.g, 0, 0.3), "half, and four"
    fail(hand, 0.3)
    assert not permits(hand.g, 0, 5.2)
    assert permits(hand.g, 0, 5.3)
    fail(hand, 5.4, target=1, status=429)
    assert not permits(hand.g, 1, 5.5)


def test_litellms_minute_begins_with_its_first_failure():
    hand = ejecting({"kind": "litellm"})
    for at_s in (0.0, 1.0, 59.0, 59.5):
        fail(hand, at_s)
    fail(hand, 60.0)
    assert permits(hand.g, 0, 60.1), "the first of a new minute"


def test_litellm_is_told_by_the_provider_for_how_long():
    hand = ejecting({"kind": "litellm"})
    fail(hand, 0.0, status=429, retry_after_s=20.0)
    assert not permits(hand.g, 0, 19.9)
    assert permits(hand.g, 0, 20.0)


def test_a_lone_deployment_stays_with_litellm_and_nginx():
    alone = {"kind": "round-robin", "models": ["a/one"]}
    for kind in ("litellm", "nginx"):
        hand = ejecting({"kind": kind}, routing=alone)
        for number in range(50):
            fail(hand, number * 0.01, status=0)
        assert permits(hand.g, 0, 0.5), kind


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ({"kind": "envoy"}, "10% of 2 targets is none: Envoy will eject nobody"),
        ({"kind": "envoy", "interval": "0s"}, "expected a duration above zero"),
        ({"kind": "nginx", "fail_timeout": "1500ms"}, "nginx counts whole seconds"),
        ({"kind": "nginx"}, "nginx counts the statuses of attempts that are followed by another one"),
    ],
)
def test_what_would_have_no_effect_is_said(kind, says):
    assert any(says in finding.message for finding in check(unchecked(gateway={"ejection": kind, "routing": BOTH})))


def test_what_has_an_effect_is_not_warned_of():
    made = scenario(gateway={"ejection": ENVOY, "routing": BOTH})
    assert not [finding for finding in check(made) if "ejection" in finding.path]


FERROGW = {"kind": "ferrogw", "failure_threshold": 2, "success_threshold": 2, "max_half_threshold": 2, "timeout": "3s"}


def test_a_breaker_of_ferrogw_counts_failures_in_a_row_and_neither_429_nor_clients_that_leave():
    hand = ejecting(FERROGW)
    fail(hand, 0.1), succeed(hand, 0.2), fail(hand, 0.3), fail(hand, 0.4, status=429, retry_after_s=0.1)
    c = hand.start(0.5)
    c.aim = 0
    hand.depart(c, 0.6)
    assert permits(hand.g, 0, 0.6)
    fail(hand, 0.7)
    assert not permits(hand.g, 0, 3.6)
    assert permits(hand.g, 0, 3.7)


def test_a_half_open_target_of_ferrogw_is_tried_by_so_many_at_once_until_so_many_are_answered():
    hand = ejecting(FERROGW, {"kind": "round-robin", "models": ["a/one"]})
    fail(hand, 0.1), fail(hand, 0.2)
    first, second, third = (hand.start(3.3) for _ in range(3))
    assert (first.state, second.state, third.state) == ("performing", "performing", "error")
    hand.answer(first, 3.4)
    assert permits(hand.g, 0, 3.4)
    hand.answer(second, 3.5)
    fail(hand, 3.6), succeed(hand, 3.7), fail(hand, 3.8)
    assert permits(hand.g, 0, 3.8), "closed: it takes two in a row again"


def test_one_failure_opens_a_half_open_target_of_ferrogw_again_and_what_ends_while_it_is_open_says_nothing():
    hand = ejecting(FERROGW, {"kind": "round-robin", "models": ["a/one"]})
    early = hand.start(0.0)
    fail(hand, 0.1), fail(hand, 0.2)
    hand.answer(early, 1.0)
    assert not permits(hand.g, 0, 1.0)
    trial = hand.start(3.2)
    hand.answer(trial, 3.3, status=500)
    assert not permits(hand.g, 0, 6.2)
    assert permits(hand.g, 0, 6.3)


def test_ferrogw_parks_a_target_that_says_429_for_as_long_as_it_says_unless_nobody_else_is_in():
    hand = ejecting(FERROGW)
    fail(hand, 0.0, status=429)
    assert not permits(hand.g, 0, 4.9)
    assert permits(hand.g, 0, 5.0)
    fail(hand, 5.0, status=429, retry_after_s=2.0), fail(hand, 7.0, status=503, retry_after_s=2.0)
    assert permits(hand.g, 0, 7.0)
    fail(hand, 10.0, status=429, retry_after_s=100.0)
    assert not permits(hand.g, 0, 69.9)
    fail(hand, 60.0, target=1), fail(hand, 60.1, target=1)
    assert [permits(hand.g, target, 60.2) for target in (0, 1)] == [True, False], "parked targets are called on, open breakers are not"
    fail(hand, 62.0, status=429)
    assert [permits(hand.g, target, 63.1) for target in (0, 1)] == [False, True]
