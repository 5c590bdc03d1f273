"""Graceful degradation: an earlier answer or a prepared text instead of a failure, and never counted as available."""

from __future__ import annotations

import pytest

from sim.data.outcomes import BY_NAME
from sim.gateway.stages.degrade import check
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, serve_at, unchecked

OUTAGE = {"kind": "outage", "provider": "a", "at": "5s", "for": "1000s"}
CACHE = [{"kind": "exact", "ttl": "2s"}]


def test_a_stale_answer_then_a_canned_one_and_they_are_told_apart():
    gateway = {"cache": CACHE, "fallback": ["stale-cache", "canned"]}
    served = serve_at(scenario(gateway=gateway, faults=[OUTAGE]), [0.0, 10.0, 20.0], prompts=[7, 7, 8])
    assert served.outcomes == ["ok", "stale", "canned"]
    without_canned = gateway | {"fallback": ["stale-cache"]}
    served = serve_at(scenario(gateway=without_canned, faults=[OUTAGE]), [0.0, 10.0, 20.0], prompts=[7, 7, 8])
    assert served.outcomes == ["ok", "stale", "error"]


def test_degraded_answers_are_served_and_not_available():
    for name in ("stale", "canned"):
        assert (BY_NAME[name].served, BY_NAME[name].available) == (True, False)


def test_what_stands_first_is_given_first():
    gateway = {"cache": CACHE, "fallback": ["canned", "stale-cache"]}
    assert serve_at(scenario(gateway=gateway, faults=[OUTAGE]), [0.0, 10.0], prompts=[7, 7]).outcomes == ["ok", "canned"]


def test_the_next_provider_comes_before_both():
    gateway = {"cache": CACHE, "fallback": ["stale-cache", "next-provider", "canned"]}
    assert serve_at(scenario(gateway=gateway, faults=[OUTAGE]), [0.0, 10.0], prompts=[7, 7]).outcomes == ["ok", "ok"]


def test_without_a_degraded_answer_there_is_no_such_stage():
    assert by_hand(fallback=["next-provider"]).g.degrade is None
    assert by_hand(fallback=[]).g.degrade is None


def failing(outcome: str, **gateway):
    """A call that would end with this outcome."""
    if outcome == "rejected":
        hand = by_hand(queue={"concurrency": 1}, **gateway)
        hand.start(0.0)
        return hand.start(0.0)
    if outcome == "rate_limited":
        hand = by_hand(limits={"global": {"requests": "1/s"}}, **gateway)
        hand.start(0.0)
        return hand.start(0.0)
    hand = by_hand(**gateway)
    return hand.answer(hand.start(0.0), 1.0, status=503 if outcome == "error" else -1)


@pytest.mark.parametrize("outcome", ["error", "timeout", "rejected", "rate_limited"])
def test_only_the_outcomes_that_the_scenario_names_are_replaced(outcome):
    assert failing(outcome).state == outcome
    for named in (["error"], ["timeout"], ["rejected"], ["rate_limited"], ["error", "timeout", "rejected", "rate_limited"]):
        expected = "canned" if outcome in named else outcome
        assert failing(outcome, fallback=["canned"], fallback_on=named).state == expected


def test_errors_and_timeouts_are_replaced_by_default():
    states = [failing(outcome, fallback=["canned"]).state for outcome in ("error", "timeout", "rejected", "rate_limited")]
    assert states == ["canned", "canned", "rejected", "rate_limited"]


def test_the_limit_that_said_no_is_still_told():
    assert failing("rejected", fallback=["canned"], fallback_on=["rejected"]).refused_by != 0


def test_a_degraded_answer_comes_at_once_and_whole():
    c = failing("error", fallback=["canned"])
    assert (c.ttft_s, c.latency_s) == (1.0, 1.0)


def test_a_client_that_has_seen_half_an_answer_gets_no_other():
    hand = by_hand(fallback=["canned"])
    assert hand.answer(hand.start(0.0), 1.0, status=0, first_s=0.5).state == "error"


def test_a_client_that_left_gets_none_either():
    hand = by_hand(fallback=["canned"])
    assert hand.depart(hand.start(0.0), 1.0).state == "abandoned"


def test_a_rejected_request_may_have_a_stale_answer():
    hand = by_hand(cache=CACHE, queue={"concurrency": 1}, fallback=["stale-cache"], fallback_on=["rejected"])
    hand.answer(hand.start(0.0, prompt=7), 1.0)
    hand.start(10.0, prompt=8)
    assert hand.start(10.0, prompt=7).state == "stale"
    assert hand.start(10.0, prompt=9).state == "rejected"


def test_a_stale_answer_needs_a_cache():
    (finding,) = check(unchecked(gateway={"fallback": ["canned", "stale-cache"]}))
    assert finding.path == ("gateway", "fallback", 1)
    assert not list(check(unchecked(gateway={"fallback": ["stale-cache"], "cache": CACHE})))
