"""Connection pools: so many to a provider, first come first served; new ones take time, idle ones are used again."""

from __future__ import annotations

import pytest

from sim.data.statuses import REFUSED
from sim.gateway.language import check, load
from sim.gateway.stages.connections import NO_FREE_CONNECTION
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import ONE_SECOND, unchecked

ONE_TARGET = {"kind": "capability", "default": ["a/one"]}


def pooled(connections, **gateway):
    return by_hand(connections=connections, **{"routing": ONE_TARGET} | gateway)


def states(calls):
    return [c.state for c in calls]


def test_calls_beyond_the_limit_wait_and_the_first_in_line_goes_on_first():
    hand = pooled({"max": 2})
    calls = [hand.start(0.1 * number) for number in range(4)]
    assert states(calls) == ["performing", "performing", "waiting", "waiting"]
    hand.answer(calls[1], 1.0)
    assert states(calls) == ["performing", "ok", "performing", "waiting"]
    hand.answer(calls[0], 1.5)
    assert states(calls) == ["ok", "ok", "performing", "performing"]
    assert [c.pool_wait_s for c in calls] == pytest.approx([0, 0, 0.8, 1.2])
    for c in calls[2:]:
        hand.answer(c, 2.0)
    assert hand.is_idle()
    assert hand.g.connection_pools[0].held == 0


def test_who_waits_for_too_long_is_refused_by_the_pool_and_was_never_sent():
    hand = pooled({"max": 1, "wait": "2s"})
    first, second = hand.start(0.0), hand.start(1.0)
    hand.time_comes(second)
    assert (second.state, second.refused_by, second.latency_s) == ("rejected", NO_FREE_CONNECTION, 2.0)
    assert (second.attempts, second.target, second.pool_timeouts) == (0, 0, 1)
    assert hand.answer(first, 5.0).state == "ok"
    assert hand.is_idle()


def test_the_gateways_own_timeout_ends_the_wait_as_a_timeout():
    hand = pooled({"max": 1, "wait": "5s"}, timeout={"total": "3s"})
    hand.start(0.0)
    late = hand.time_comes(hand.start(0.0))
    assert (late.state, late.refused_by, late.latency_s) == ("timeout", NO_FREE_CONNECTION, 3.0)


def test_an_attempt_without_a_connection_is_retried_after_the_pause():
    hand = pooled({"max": 1, "wait": "2s"}, retry={"attempts": 2, "backoff": {"kind": "constant", "base": "500ms"}})
    first, second = hand.start(0.0), hand.start(0.0)
    hand.time_comes(second)
    assert (second.state, second.until_s, second.tried) == ("waiting", 2.5, 0)
    hand.answer(first, 2.2)
    assert hand.time_comes(second).state == "performing"
    hand.answer(second, 3.0)
    assert (second.state, second.attempts, second.pool_timeouts, second.refused_by) == ("ok", 1, 1, 0)
    assert second.pool_wait_s + second.backoff_s + second.first_token_s == pytest.approx(second.latency_s)


def test_the_next_provider_has_a_pool_of_its_own():
    hand = by_hand(connections={"max": 1, "wait": "2s"}, fallback=["next-provider"])
    hand.start(0.0)
    second = hand.time_comes(hand.start(0.0))
    assert (second.state, second.target) == ("performing", 1)


def test_targets_of_one_provider_share_its_pool():
    two = {"a": {"models": {"one": ONE_SECOND, "two": ONE_SECOND}}}
    routing = {"kind": "round-robin", "models": ["a/one", "a/two"]}
    hand = by_hand(changes=two, connections={"max": 1}, routing=routing)
    first, second = hand.start(0.0), hand.start(0.0)
    assert (first.target, first.state, second.aim, second.state) == (0, "performing", 1, "waiting")


def test_a_new_connection_is_set_up_first_and_used_again_while_it_is_not_idle_for_too_long():
    hand = pooled({"idle": "10s", "setup": "100ms"})
    first = hand.start(0.0)
    assert (first.state, first.until_s) == ("waiting", 0.1)
    hand.time_comes(first)
    assert (first.state, first.attempt_started_s, first.connect_s, first.new_connections) == ("performing", 0.1, 0.1, 1)
    hand.answer(first, 1.0)
    again = hand.start(11.0)
    assert (again.state, again.new_connections) == ("performing", 0), "idle for ten seconds, no longer"
    hand.answer(again, 12.0)
    assert hand.start(22.1).state == "waiting"


def test_the_connection_that_has_been_idle_for_longest_is_used_first():
    hand = pooled({"idle": "10s", "setup": "100ms"})
    first, second = (hand.time_comes(hand.start(0.0)) for _ in range(2))
    hand.answer(second, 1.0)
    hand.answer(first, 6.0)
    hand.answer(hand.start(7.0), 7.5)
    assert hand.start(16.5).state == "performing", "that of 6 s has expired, that of 7.5 s has not"
    assert hand.start(16.5).state == "waiting"


@pytest.mark.parametrize(("keep", "new"), [(0, 4), (1, 3), (2, 2), (None, 2)])
def test_so_many_idle_connections_are_kept(keep, new):
    hand = pooled({"keep": keep, "setup": "100ms"})
    for at_s in (0.0, 5.0):
        calls = [hand.start(at_s) for _ in range(2)]
        for c in calls:
            if c.state == "waiting":
                hand.time_comes(c)
            hand.answer(c, at_s + 1.0)
    assert sum(c.new_connections for c in hand.ended) == new


@pytest.mark.parametrize(("status", "kept"), [(200, True), (429, True), (500, True), (REFUSED, False)])
def test_a_connection_that_broke_is_not_used_again(status, kept):
    hand = pooled({"setup": "100ms"})
    hand.answer(hand.time_comes(hand.start(0.0)), 1.0, status=status)
    assert (hand.start(2.0).state == "performing") == kept


def test_a_client_that_leaves_gives_its_place_back_and_its_connection_is_closed():
    hand = pooled({"max": 1, "setup": "100ms"})
    connecting, waiting = hand.start(0.0), hand.start(0.0)
    hand.depart(connecting, 0.05)
    assert (connecting.state, connecting.connect_s) == ("abandoned", 0.05)
    assert (waiting.state, waiting.pool_wait_s, waiting.until_s) == ("waiting", 0.05, pytest.approx(0.15))
    hand.time_comes(waiting)
    third = hand.start(1.0)
    hand.depart(third, 1.5)
    assert third.pool_wait_s == 0.5
    hand.depart(waiting, 2.0)
    assert hand.is_idle()
    assert hand.start(3.0).state == "waiting", "the connection of a cancelled attempt is closed"


def test_a_deadline_that_passes_while_a_connection_is_set_up_is_a_timeout_without_an_attempt():
    hand = pooled({"setup": "4s"}, timeout={"total": "3s"})
    c = hand.time_comes(hand.start(0.0))
    assert (c.state, c.attempts, c.connect_s, c.refused_by) == ("timeout", 0, 3.0, 0)


def test_each_of_two_attempts_side_by_side_holds_a_connection():
    hand = pooled({"max": 2}, hedge={"after": "500ms", "at_most": 1.0})
    first, second = hand.start(0.0), hand.start(0.0)
    hand.time_comes(first), hand.time_comes(second)
    assert states(hand.forks(first)) == states(hand.forks(second)) == ["performing", "waiting"]
    hand.answer(hand.forks(first)[0], 1.0)
    assert first.state == "ok"
    assert states(hand.forks(second)) == ["performing", "performing"], "the first call needs none any more"
    hand.answer(hand.forks(second)[0], 1.5)
    assert hand.is_idle()
    assert hand.g.connection_pools[0].held == 0


def test_a_hedge_that_gets_no_connection_leaves_the_field_to_the_other():
    hand = pooled({"max": 1, "wait": "300ms"}, hedge={"after": "500ms", "at_most": 1.0})
    c = hand.time_comes(hand.start(0.0))
    ours, beside = hand.forks(c)
    hand.time_comes(beside)
    assert (c.state, c.pool_timeouts, c.attempts) == ("waiting", 1, 1)
    hand.answer(ours, 2.0)
    assert (c.state, c.refused_by) == ("ok", 0)
    assert hand.is_idle()


def test_breakers_are_told_nothing_of_an_attempt_that_was_not_sent():
    hand = pooled({"max": 1, "wait": "1s"}, breaker={"window_size": 2, "minimum_calls": 2})
    hand.start(0.0)
    refused = [hand.time_comes(hand.start(0.0)) for _ in range(3)]
    assert states(refused) == ["rejected"] * 3
    assert {c.refused_by for c in refused} == {NO_FREE_CONNECTION}
    assert hand.g.circuits[0].calls == 0


def test_words_without_an_effect_are_said():
    def said(connections):
        found = check(unchecked(gateway={"connections": connections}))
        return [finding.path[-1] for finding in found if "connections" in finding.path]

    assert said({"max": 100, "wait": "5s", "setup": "50ms", "keep": 20, "idle": "5s"}) == []
    assert said({"wait": "5s"}) == ["wait"]
    assert said({"max": 10, "keep": 20, "setup": "50ms"}) == ["keep"]
    assert said({"max": 10, "idle": "5s"}) == ["idle"]


def test_a_number_alone_is_the_limit():
    assert load("demo", ["gateway.connections=7"]).scenario.gateway.connections.max == 7
