"""Sessions: what is remembered of a conversation."""

from __future__ import annotations

import pytest

from sim.gateway.stages.sessions import lookup_law
from sim.kernel import containers
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, serve_at

HISTORY = (100, 200, 300)


def first_turns(hand, *visits):
    """The first turn still remembered at each visit (conversation, turn, time)."""
    return [hand.start(at_s, conversation=conversation, turn=turn).first_turn for conversation, turn, at_s in visits]


def test_an_idle_conversation_starts_again_at_its_turn():
    hand = by_hand(sessions={"ttl": "10s"})
    assert first_turns(hand, (7, 0, 0.0), (7, 1, 10.0), (7, 2, 20.001), (7, 3, 21.0)) == [0, 0, 2, 2]


def test_conversations_are_remembered_apart():
    hand = by_hand(sessions={"ttl": "10s"})
    assert first_turns(hand, (1, 0, 0.0), (2, 0, 8.0), (1, 1, 12.0), (2, 1, 12.0)) == [0, 0, 1, 0]


def test_one_never_seen_is_trusted_with_its_history():
    assert first_turns(by_hand(sessions={}), (1, 5, 0.0)) == [0]


def test_what_is_forgotten_is_not_sent():
    hand = by_hand(history=HISTORY, sessions={"ttl": "10s"})
    history = {"history_start": 0, "history_turns": 3, "conversation": 4}
    assert hand.start(0.0, turn=3, **history).input_tokens == 610
    assert hand.start(20.0, turn=2, **history).input_tokens == 310


def test_without_sessions_nothing_is_forgotten():
    hand = by_hand(history=HISTORY)
    for at_s in (0.0, 1e6):
        assert hand.start(at_s, turn=3, conversation=4, history_start=0, history_turns=3).input_tokens == 610


def test_a_simulation_remembers_all_and_a_gateway_that_bounds_its_table_forgets_the_oldest(monkeypatch):
    monkeypatch.setattr(containers, "FORGOTTEN", 1)
    hand = by_hand(sessions={"ttl": "1s"})
    assert hand.g.conversations.bounded
    first_turns(hand, *((number, 0, 0.0) for number in range(5)))
    assert len(hand.g.conversations) == 5
    hand.g.conversations.most = 5
    assert first_turns(hand, (4, 9, 100.0), (5, 0, 100.0)) == [9, 0]
    assert sorted(hand.g.conversations) == [1, 2, 3, 4, 5]
    assert first_turns(hand, (0, 9, 200.0)) == [0], "forgotten, so trusted with its history again"


@pytest.mark.parametrize(
    ("sessions", "lookup_s"),
    [(None, None), ({}, None), ({"store": "memory"}, None), ({"store": "redis"}, 0.001)]
    + [({"store": store, "lookup": {"kind": "constant", "value": "20ms"}}, 0.02) for store in ("memory", "redis")],
)  # fmt: skip
def test_looking_one_up_takes_a_millisecond_in_redis_and_as_long_as_it_says(sessions, lookup_s):
    law = lookup_law(scenario(gateway={"sessions": sessions}))
    assert (None if law is None else law.value) == lookup_s
    served = serve_at(scenario(gateway={"sessions": sessions}), [0.0])
    assert served.latencies_s == [1.0 + (lookup_s or 0.0)]


def test_the_session_is_seen_when_it_has_been_looked_up():
    hand = by_hand(sessions={"ttl": "10s"})
    c = hand.start(0.0, conversation=1, lookup_s=5.0)
    assert (c.state, c.until_s) == ("waiting", 5.0)
    hand.time_comes(c)
    assert c.state == "performing"
    assert first_turns(hand, (1, 1, 15.0)) == [0], "ten seconds since the look-up"
