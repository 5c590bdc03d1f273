"""Redis: what sessions and caches lose when it fails."""

from __future__ import annotations

import pytest

from sim.gateway.events import KINDS
from sim.kernel.refusals import NAMES
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import JOB, serve_at, unchecked
from tests.sim.tiny import scenario as tiny

CATALOG = [{**JOB, "prompts": {"catalog": 10}}]
CACHE = {"cache": [{"kind": "exact", "ttl": "1h", "store": "redis"}]}


def with_fault(fault=None, **gateway):
    faults = [{"kind": "redis-outage", "at": "10s", "for": "10s", **fault}] if fault is not None else []
    return by_hand(changes={"faults": faults, "requests": CATALOG}, **gateway)


def visit(hand, conversation, turn, at_s):
    """The first turn still remembered."""
    c = hand.start(at_s, conversation=conversation, turn=turn, lookup_s=0.001)
    hand.time_comes(c)
    return c.first_turn


def ask(hand, prompt, at_s):
    """How a request ends whose prompt is looked up in the cache; the provider answers within a second."""
    c = hand.start(at_s, prompt=prompt, input_tokens=10, answer_trip_s=0.001)
    hand.time_comes(c)
    if c.state == "performing":
        hand.answer(c, at_s + 1.0)
    return c.state


def test_while_redis_is_gone_a_conversation_goes_on_without_its_history_and_has_it_again_afterwards():
    hand = with_fault({}, sessions={"store": "redis"})
    assert [visit(hand, 1, turn, at_s) for turn, at_s in ((0, 1.0), (1, 9.0), (2, 15.0), (3, 21.0))] == [0, 0, 2, 0]


def test_what_redis_held_before_a_restart_is_lost():
    hand = with_fault({"kind": "redis-restart"}, sessions={"store": "redis"})
    assert [visit(hand, 1, turn, at_s) for turn, at_s in ((0, 1.0), (2, 21.0), (3, 22.0))] == [0, 2, 2]
    assert visit(hand, 2, 5, 23.0) == 5, "under way before the start, and lost with the others"


def test_a_conversation_that_begins_while_redis_is_gone_was_never_written():
    hand = with_fault({}, sessions={"store": "redis"})
    assert [visit(hand, 1, turn, at_s) for turn, at_s in ((0, 12.0), (1, 21.0), (2, 22.0))] == [0, 1, 1]


def test_a_full_redis_knows_old_conversations_and_takes_no_new_ones():
    hand = with_fault({"kind": "redis-full"}, sessions={"store": "redis"})
    assert [visit(hand, 1, turn, at_s) for turn, at_s in ((0, 1.0), (1, 12.0))] == [0, 0]
    assert [visit(hand, 2, turn, at_s) for turn, at_s in ((0, 12.0), (1, 13.0), (2, 21.0), (3, 22.0))] == [0, 1, 2, 2]


def test_an_answer_in_redis_is_a_hit_until_redis_is_gone():
    hand = with_fault({}, **CACHE)
    assert [ask(hand, 1, at_s) for at_s in (1.0, 3.0, 12.0, 21.0)] == ["ok", "cache_hit", "ok", "cache_hit"]


def test_a_restart_empties_the_cache():
    hand = with_fault({"kind": "redis-restart"}, **CACHE)
    assert [ask(hand, 1, at_s) for at_s in (1.0, 3.0, 21.0, 23.0)] == ["ok", "cache_hit", "ok", "cache_hit"]


def test_answers_are_not_kept_while_redis_takes_nothing():
    hand = with_fault({"kind": "redis-full"}, **CACHE)
    assert [ask(hand, 1, at_s) for at_s in (12.0, 14.0, 21.0, 23.0)] == ["ok", "ok", "ok", "cache_hit"]


def test_a_slow_redis_takes_longer_and_beyond_the_timeout_counts_as_none():
    slow = {"kind": "redis-slow", "delay": "30ms"}
    for timeout, waited_s, failed in (("100ms", 0.031, False), ("20ms", 0.02, True)):
        hand = with_fault(slow, sessions={"store": "redis"}, redis={"timeout": timeout})
        c = hand.start(12.0, lookup_s=0.001)
        hand.time_comes(c)
        assert (c.redis_s, c.redis_failed) == (pytest.approx(waited_s), failed)


def test_one_that_hangs_is_waited_for_until_the_timeout():
    c = with_fault({"mode": "hang"}, sessions={"store": "redis"}, redis={"timeout": "70ms"}).start(12.0, lookup_s=0.001)
    assert c.until_s == pytest.approx(12.07)


@pytest.mark.parametrize(("word", "state"), [("open", "performing"), ("closed", "error")])
def test_without_redis_a_call_goes_on_or_is_refused_as_the_scenario_says(word, state):
    hand = with_fault({}, sessions={"store": "redis"}, redis={"on_failure": word})
    c = hand.start(12.0, lookup_s=0.001)
    hand.time_comes(c)
    assert c.state == state
    assert NAMES[c.refused_by] == ("redis" if word == "closed" else "")


def test_failing_and_answering_again_are_events():
    hand = with_fault({}, sessions={"store": "redis"})
    for turn, at_s in enumerate((1.0, 12.0, 13.0, 21.0)):
        visit(hand, 1, turn, at_s)
    said = [(KINDS[kind][0], KINDS[kind][1][value]) for _, kind, _, value in hand.g.events]
    assert said == [("redis", "fails"), ("redis", "answers")]


def test_a_run_has_the_round_trips_in_its_rows():
    served = serve_at(
        tiny(gateway={"sessions": {"store": "redis"}, "redis": {"latency": {"kind": "constant", "value": "2ms"}}}), [0.0, 5.0]
    )
    assert served.latencies_s == pytest.approx([1.002, 1.002])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gateway": {"sessions": {"store": "redis://127.0.0.1:6379/0"}, **CACHE}}, "another Redis"),
        ({"gateway": {"sessions": {"store": "redis"}, "redis": {"timeout": "0s"}}}, "above zero"),
        ({"faults": [{"kind": "redis-full", "at": "1s", "for": "1s"}]}, "nothing is kept in Redis"),
        ({"gateway": {"redis": {"timeout": "1s"}}}, "nothing is kept in Redis"),
        (
            {"gateway": {"sessions": {"store": "redis"}}, "faults": [{"kind": "redis-full", "at": "1s", "for": "1s", "delay": "9s"}]},
            "means nothing",
        ),
    ],
)
def test_what_does_not_hold_together_is_said(changes, says):
    from sim.gateway.language import check

    assert any(says in finding.message for finding in check(unchecked(**changes)))


def test_a_password_is_refused_in_a_scenario():
    with pytest.raises(ValueError, match="pattern"):
        unchecked(gateway={"sessions": {"store": "redis://:secret@127.0.0.1:6379"}})
