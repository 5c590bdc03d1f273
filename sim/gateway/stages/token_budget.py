"""A budget of tokens for the whole request: history, question and answer fit into it, or it is not sent.

What goes along of the history is decided before (``context``); here the oldest of those turns go, whole, and the answer is cut
(``max_tokens``), one first and then the other. A question that is too long by itself is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from sim.data.outcomes import REJECTED
from sim.gateway.call import CONTINUE
from sim.gateway.stages.context import turns_kept
from sim.kernel.refusals import refusal
from sim.kernel.state import Short, state
from sim.scenario.finding import Finding
from sim.scenario.metric_names import StageFigure
from sim.scenario.values import Count, Model

TOO_LONG = refusal("token budget")
OPTIONAL = True


class TokenBudget(Model):
    """Tokens of one request, its history and its answer included."""

    SHORT: ClassVar[str] = "tokens"
    tokens: Count = Field(description="most tokens of input and answer together")
    answer: Count = Field(1_000, description="tokens kept for the answer, which is cut beyond")
    least: Count = Field(50, description="tokens that are left for an answer at least; a request without that much room is refused")
    first: Literal["history", "answer"] = Field(
        "history", description="what gives way first: history, its oldest turns; answer, down to `least`"
    )


class Config(Model):
    token_budget: TokenBudget | None = Field(None, description="a budget of tokens for the whole request; default: none")


@state
class State:
    tokens: int
    answer: int
    least: int
    answer_first: bool


@state
class Call:
    turns_cut: Short = 0  # of those that the context policy would send along
    most_answer: int = 0  # tokens that it may ask for
    answer_cut: bool = False


COLUMNS = {
    "turns_cut": ("i2", "turns of its history left out for the token budget"),
    "answer_cut": ("i1", "1: its answer cut for the token budget"),
}
FIGURES = {
    "answer_cut_rate": StageFigure("share", "lower", "requests whose answers were cut for the token budget", column="answer_cut"),
    "over_budget_rate": StageFigure("share", "lower", "requests refused, too long for the token budget", refused_by=TOO_LONG),
}


def check(scenario: Any) -> Iterator[Finding]:
    config, here = scenario.gateway.token_budget, ("gateway", "token_budget")
    if config is None:
        return
    if config.least > config.answer:
        yield Finding((*here, "least"), f"expected at most answer ({config.answer:,}), found {config.least:,}")
    if config.answer >= config.tokens:
        yield Finding((*here, "answer"), f"expected less than tokens ({config.tokens:,}), found {config.answer:,}: no room for a question")


def build(scenario: Any, seed: int) -> Any:
    config = scenario.gateway.token_budget
    return None if config is None else State(config.tokens, config.answer, config.least, config.first == "answer")


def enter(g: Any, c: Any, now_s: float) -> int:
    s = g.token_budget
    cut_history(g, c, s.tokens - (s.least if s.answer_first else s.answer))
    room = s.tokens - c.input_tokens
    if room < s.least:
        c.refused_by = TOO_LONG
        return REJECTED
    c.most_answer = min(s.answer, room)
    if c.answer_tokens > c.most_answer:
        c.answer_tokens, c.answer_cut = c.most_answer, True
    return CONTINUE


def cut_history(g: Any, c: Any, room: int) -> None:
    """Leave out the oldest turns that would be sent until the input fits, or none are left."""
    turns = c.history_turns - c.first_turn
    if turns <= 0 or c.input_tokens <= room:
        return
    stop = c.history_start + c.history_turns
    kept = turns_kept(g.context, g.history, stop - turns, stop)
    while c.input_tokens > room and c.turns_cut < kept:
        c.input_tokens -= g.history[stop - kept + c.turns_cut]
        c.turns_cut += 1
