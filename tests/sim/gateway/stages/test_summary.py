"""Summaries: a call of its own to a smaller model before the request's, whose failure costs the older turns and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from sim.data.outcomes import ABANDONED
from sim.gateway.stages import context
from sim.gateway.stages.summary import FAILED, INSTRUCTION_TOKENS, MADE
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import unchecked

HISTORY = (100, 200, 300, 400)
CONTEXT = {"kind": "summarize", "after_turns": 3, "keep_turns": 1, "summary_tokens": 50, "model": "b/two", "timeout": "2s"}


def conversation(**context: Any) -> Any:
    return by_hand(history=HISTORY, context=CONTEXT | context, timeout={"total": "10s"})


def turn(hand: Any, number: int, at_s: float) -> Any:
    """The call after ``number`` turns of one conversation."""
    return hand.start(at_s, conversation=7, turn=number, prompt_tokens=10, answer_tokens=5, history_turns=number)


def test_a_conversation_is_summarised_by_the_model_that_is_named_before_it_is_asked():
    hand = conversation()
    c = turn(hand, 3, 0.0)
    assert (c.state, c.target, c.input_tokens, c.answer_tokens) == ("performing", 1, INSTRUCTION_TOKENS + 100 + 200, 50)
    hand.answer(c, 1.5, tokens=50)
    assert (c.state, c.target, c.input_tokens, c.answer_tokens) == ("performing", 0, 10 + 50 + 300, 5)
    hand.answer(c, 2.0)
    assert (c.state, c.summary, c.summary_s, c.attempts) == ("ok", MADE, 1.5, 2)
    assert 0 < c.summary_usd < c.cost_usd
    assert hand.is_idle()


def test_the_next_turn_adds_only_what_is_new_to_the_summary():
    hand = conversation()
    c = turn(hand, 3, 0.0)
    hand.answer(hand.answer(c, 1.0, tokens=50), 2.0)
    c = turn(hand, 4, 10.0)
    assert c.input_tokens == INSTRUCTION_TOKENS + 50 + 300
    c = hand.answer(c, 11.0, tokens=50)
    assert c.input_tokens == 10 + 50 + 400


def test_a_summary_that_is_made_anew_every_few_turns_leaves_the_newer_ones_as_they_are():
    hand = conversation(every=2)
    hand.answer(hand.answer(turn(hand, 3, 0.0), 1.0), 2.0)
    c = turn(hand, 4, 10.0)
    assert (c.target, c.input_tokens) == (0, 10 + 50 + 300 + 400)


def test_a_short_conversation_is_asked_as_it_is():
    c = turn(conversation(), 2, 0.0)
    assert (c.target, c.input_tokens, c.summary) == (0, 310, 0)


@pytest.mark.parametrize("how", ["an error", "too slow"])
def test_without_its_summary_a_request_goes_on_with_the_newest_turns_alone_and_the_next_one_tries_again(how):
    hand = conversation()
    c = turn(hand, 3, 0.0)
    assert c.until_s == 2.0
    hand.answer(c, 0.5, status=500) if how == "an error" else hand.answer(c, 2.0, status=-2)
    assert (c.state, c.target, c.input_tokens, c.summary) == ("performing", 0, 10 + 300, FAILED)
    hand.answer(c, 3.0)
    assert c.state == "ok"
    assert turn(hand, 4, 10.0).input_tokens == INSTRUCTION_TOKENS + 100 + 200 + 300


def test_who_leaves_while_the_summary_is_made_has_asked_what_it_had_asked():
    hand = conversation()
    c = turn(hand, 3, 0.0)
    hand.depart(c, 0.7)
    assert (c.verdict, c.input_tokens, c.answer_tokens, c.history_turns, c.summary_s) == (ABANDONED, 360, 5, 3, 0.7)
    assert hand.is_idle()


def test_the_model_that_summarises_has_to_be_there():
    finding = next(context.check(unchecked(gateway={"context": CONTEXT | {"model": "b/too"}})))
    assert "no provider has the target 'b/too'" in finding.message
