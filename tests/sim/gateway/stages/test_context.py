"""Context management: how much of the history goes along with a turn."""

from __future__ import annotations

import pytest

from sim.gateway.stages.context import summary_tokens, turns_kept
from tests.sim.gateway.by_hand import by_hand

HISTORY = (100, 200, 300, 400)


def sent(context, history=HISTORY, start=0):
    """Tokens of history sent along, of the turns from ``start`` on."""
    hand = by_hand(history=history, context=context)
    c = hand.start(0.0, prompt_tokens=10, history_start=start, history_turns=len(history) - start)
    return c.input_tokens - 10


SUMMARIZE = {"kind": "summarize", "after_turns": 4, "keep_turns": 1, "summary_tokens": 50}


@pytest.mark.parametrize(
    ("context", "tokens"),
    [
        ({"kind": "full"}, 1000), ({"kind": "window", "turns": 2}, 700), ({"kind": "window", "turns": 0}, 0),
        ({"kind": "window", "turns": 9}, 1000), ({"kind": "budget", "tokens": 750}, 700), (SUMMARIZE, 450),
        (SUMMARIZE | {"keep_turns": 0}, 50), (SUMMARIZE | {"keep_turns": 9}, 1000),
    ],
)  # fmt: skip
def test_full_window_summary_and_budget(context, tokens):
    assert sent(context) == tokens


def test_a_conversation_is_not_summarised_before_it_has_so_many_turns():
    assert sent(SUMMARIZE, HISTORY[:3]) == 600
    hand = by_hand(history=HISTORY, context=SUMMARIZE)
    s = hand.g.context
    assert (turns_kept(s, HISTORY, 0, 4), summary_tokens(s, 4)) == (1, 50)
    assert (turns_kept(s, HISTORY, 0, 3), summary_tokens(s, 3)) == (3, 0)


def test_a_summary_has_100_tokens_unless_it_says_otherwise():
    assert sent({"kind": "summarize", "after_turns": 4, "keep_turns": 1}) == 500


@pytest.mark.parametrize(("budget", "kept"), [(99, 0), (100, 1), (299, 1), (300, 2), (599, 2), (600, 3), (10_000, 3)])
def test_a_budget_of_context_is_used_to_its_last_token(budget, kept):
    hand = by_hand(context={"kind": "budget", "tokens": budget})
    assert turns_kept(hand.g.context, [300, 200, 100], 0, 3) == kept


def test_only_the_turns_of_its_own_conversation_are_counted():
    assert sent({"kind": "full"}, start=2) == 700
    assert sent({"kind": "window", "turns": 3}, start=2) == 700
    assert sent({"kind": "budget", "tokens": 10_000}, start=2) == 700


def test_a_first_turn_is_sent_as_it_is():
    for context in ({"kind": "full"}, SUMMARIZE | {"after_turns": 1}, {"kind": "budget", "tokens": 0}):
        assert sent(context, ()) == 0
