"""API keys: in turn, without those that were refused lately."""

from __future__ import annotations

import pytest

from tests.sim.gateway.by_hand import by_hand

ONE = {"latency": {"kind": "constant", "value": "1s"}, "price": {"input": 1, "output": 2}}
THREE = {"a": {"keys": 3}}


def keys_used(hand, times, at_s=0.0, status=200):
    """The keys of so many calls, each of which is answered at once."""
    used = []
    for _ in range(times):
        c = hand.start(at_s)
        used.append(c.key)
        hand.answer(c, at_s, status=status)
    return used


def refuse(hand, key, at_s=0.0, status=401):
    """Calls until the key has been used, and refused."""
    while True:
        c = hand.start(at_s)
        hand.answer(c, at_s, status=status if c.key == key else 200)
        if c.key == key:
            return


def test_keys_are_taken_in_turn():
    assert keys_used(by_hand(changes=THREE), 5) == [0, 1, 2, 0, 1]
    assert keys_used(by_hand(), 2) == [0, 0]


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_is_left_out_for_a_minute(status):
    hand = by_hand(changes=THREE)
    refuse(hand, 1, 10.0, status)
    assert keys_used(hand, 4, 69.999) == [2, 0, 2, 0]
    assert set(keys_used(hand, 3, 70.0)) == {0, 1, 2}


def test_or_for_as_long_as_the_scenario_says():
    hand = by_hand(changes=THREE, api_keys={"cool_down": "5s"})
    refuse(hand, 0)
    assert keys_used(hand, 3, 4.9) == [1, 2, 1]
    assert 0 in keys_used(hand, 3, 5.0)


def test_it_counts_from_the_last_refusal():
    hand = by_hand(changes={"a": {"keys": 1}})
    for at_s in (0.0, 30.0):
        refuse(hand, 0, at_s)
    assert hand.g.key_health[0].cool_until_s == 90.0


@pytest.mark.parametrize("status", [200, 400, 404, 408, 429, 500, 503, 0, -1])
def test_other_answers_say_nothing_of_a_key(status):
    hand = by_hand(changes=THREE)
    assert keys_used(hand, 6, status=status) == [0, 1, 2, 0, 1, 2]


def test_a_rate_limit_counts_if_the_scenario_says_so():
    hand = by_hand(changes=THREE, api_keys={"on": ["rate-limit"]})
    refuse(hand, 0, status=429)
    assert keys_used(hand, 4) == [1, 2, 1, 2]
    refuse(hand, 1, status=401)
    assert 1 in keys_used(hand, 2), "and then only that counts"
    both = by_hand(changes=THREE, api_keys={"on": ["auth", "rate-limit"]})
    refuse(both, 0, status=401)
    refuse(both, 1, status=429)
    assert keys_used(both, 2) == [2, 2]


def test_when_all_are_out_they_are_taken_as_if_none_were():
    hand = by_hand(changes=THREE)
    assert keys_used(hand, 3, status=401) == [0, 1, 2]
    assert keys_used(hand, 4, status=401) == [0, 1, 2, 0]
    assert keys_used(hand, 3, 60.0) == [1, 2, 0]


def test_a_call_that_was_cancelled_says_nothing_of_its_key():
    hand = by_hand(changes=THREE)
    hand.depart(hand.start(0.0), 1.0)
    assert hand.g.key_health[0].cool_until_s == 0.0


def test_models_of_one_provider_take_turns_of_their_own_and_share_what_is_known_of_its_keys():
    routing = {"kind": "capability", "default": ["a/one"], "more": ["a/other"]}
    hand = by_hand(changes={"a": {"keys": 2, "models": {"one": ONE, "other": ONE}}}, routing=routing)
    assert [hand.start(0.0, needs=needs).key for needs in (0, 1, 0, 1)] == [0, 0, 1, 1]
    refuse(hand, 0)
    assert [hand.start(0.0, needs=1).key for _ in range(2)] == [1, 1]


def test_keys_of_different_providers_are_apart():
    hand = by_hand(changes={"a": {"keys": 2}, "b": {"keys": 2}}, fallback=["next-provider"])
    c = hand.start(0.0)
    hand.answer(c, 0.0, status=401)
    assert (c.target, c.key, c.state) == (1, 0, "performing")
    assert [health.cool_until_s for _, health in sorted(hand.g.key_health.items())] == [60.0, 0.0]


def test_the_key_of_the_last_attempt_is_told():
    hand = by_hand(changes=THREE, retry={"attempts": 2, "backoff": {"kind": "none"}})
    c = hand.answer(hand.start(0.0), 0.0, status=503)
    assert (c.key, hand.time_comes(c).key) == (0, 1)
    assert by_hand(queue={"concurrency": 1}).start(0.0).key == 0


def test_a_call_without_an_attempt_has_no_key():
    hand = by_hand(queue={"concurrency": 1})
    hand.start(0.0)
    assert hand.start(0.0).key == -1
