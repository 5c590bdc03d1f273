"""A budget of tokens for the whole request: what gives way first, and what is left of it."""

from __future__ import annotations

import pytest

from sim.gateway.stages import token_budget
from sim.gateway.stages.token_budget import TOO_LONG
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import unchecked

HISTORY = (100, 200, 300, 400)
BUDGET = {"tokens": 1000, "answer": 200, "least": 50}


def asked(question: int = 100, answer: int = 500, context: object = "full", **words: object):
    hand = by_hand(history=HISTORY, token_budget=BUDGET | words, context={"kind": "full"} if context == "full" else context)
    return hand.start(0.0, prompt_tokens=question, answer_tokens=answer, history_turns=4)


def test_the_oldest_turns_go_first_until_question_and_answer_fit():
    c = asked()
    assert (c.turns_cut, c.input_tokens, c.answer_tokens) == (2, 100 + 300 + 400, 200)
    assert c.answer_cut


def test_or_the_answer_goes_first_down_to_the_least_and_then_the_turns():
    c = asked(first="answer")
    assert (c.turns_cut, c.input_tokens, c.answer_tokens) == (2, 800, 200)
    c = asked(question=250, first="answer")
    assert (c.turns_cut, c.input_tokens, c.answer_tokens) == (2, 950, 50)
    assert asked(question=250).turns_cut == 3


def test_a_question_that_leaves_no_room_for_an_answer_is_refused():
    c = asked(question=951)
    assert (c.state, c.refused_by) == ("rejected", TOO_LONG)
    assert asked(question=950).answer_tokens == 50


def test_what_fits_is_left_alone():
    c = asked(answer=20, tokens=5000)
    assert (c.turns_cut, c.answer_cut, c.input_tokens, c.answer_tokens) == (0, False, 1100, 20)


def test_a_summary_stays_when_turns_have_to_go():
    summary = {"kind": "summarize", "after_turns": 4, "keep_turns": 2, "summary_tokens": 60}
    c = asked(context=summary)
    assert (c.turns_cut, c.input_tokens) == (1, 100 + 60 + 400)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"least": 300}, "expected at most answer (200), found 300"),
        ({"answer": 1000}, "expected less than tokens (1,000), found 1,000: no room for a question"),
    ],
)
def test_a_budget_has_room_for_a_question_and_an_answer(words, says):
    (finding,) = token_budget.check(unchecked(gateway={"token_budget": BUDGET | words}))
    assert finding.message == says
