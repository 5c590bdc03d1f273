"""Summaries of conversations: a call to a model of its own before the request's, whose answer goes along instead of the older turns.

What is summarised is the summary so far and the turns that it does not cover yet (LangChain's ConversationSummaryBufferMemory does so),
or all of them where there is none. A summary that fails, or takes too long, is done without: the newest turns go along alone, as in a
sliding window, and the next request tries again. The call goes straight to its model: it is not retried, and no breaker watches it.
"""

from __future__ import annotations

from typing import Any

from sim.data.outcomes import TIMEOUT
from sim.data.statuses import STREAMING, UNDER_WAY
from sim.gateway.call import CONTINUE, PERFORM, WAIT
from sim.gateway.stages.api_keys import take_key
from sim.gateway.stages.context import turns_summarized
from sim.kernel.containers import Keyed
from sim.kernel.state import Short, Wide, state
from sim.scenario.metric_names import StageFigure
from sim.scenario.targets import target_names

INSTRUCTION_TOKENS = 16  # of what the model is told to do
MADE, FAILED = 1, 2
OPTIONAL = True


@state
class State:
    target: Short
    timeout_s: float


@state
class Summary:
    """Of a conversation: it stands for its turns from ``first_turn`` on, so many."""

    first_turn: Short = 0
    turns: int = 0


@state
class Call:
    summarizing: bool = False
    summary_since_s: float = 0.0
    summary_s: float = 0.0
    summary_usd: float = 0.0
    summary: Short = 0
    own_prompt_tokens: int = 0  # these four: the request's own, while its summary is being made
    own_answer_tokens: int = 0
    own_input_tokens: Wide = 0
    own_history_turns: Short = 0
    own_streams: bool = False


COLUMNS = {
    "summary": ("i1", "1: its conversation was summarised before it was asked, 2: that failed; 0: not tried"),
    "summary_s": ("f8", "waiting for the summary"),
    "summary_usd": ("f8", "price of the summary, an attempt of its own in cost_usd"),
}
PARTS = {"summary_s": "summary"}
FIGURES = {
    "summary_rate": StageFigure("share", "neither", "requests before which a summary was made", column="summary", equals=MADE),
    "summary_failed_rate": StageFigure("share", "lower", "requests whose summary failed: sent without it", column="summary", equals=FAILED),
    "summary_s": StageFigure("s", "lower", "waiting for a summary, on average over all requests", column="summary_s"),
    "summary_usd": StageFigure("USD", "lower", "summaries, per request", column="summary_usd"),
}


def build(scenario: Any, seed: int) -> Any:
    context = scenario.gateway.context
    if context.kind != "summarize" or context.model is None:
        return None
    return State(target_names(scenario).index(context.model), context.timeout)


def summaries(scenario: Any, s: Any) -> Keyed:
    return Keyed("conversation", Summary, bounded=True)


TABLES = (summaries,)


def enter(g: Any, c: Any, now_s: float) -> int:
    s = g.summary
    turns = turns_summarized(g.context, c.history_turns - c.first_turn)
    if turns == 0:
        return CONTINUE
    known = g.summaries[c.conversation]
    if known.first_turn == c.first_turn and known.turns >= turns:
        return CONTINUE
    if now_s >= c.deadline_s:
        return TIMEOUT
    lend(c, tokens_to_summarize(g, c, known, turns), g.context.summary_tokens)
    c.summary_since_s = now_s
    c.target, c.key, c.status = s.target, take_key(g, s.target, now_s), UNDER_WAY
    c.attempts += 1
    c.attempt = c.attempts - 1
    c.shows = c.wins = False
    g.targets[c.target].in_flight += 1
    c.attempt_started_s = now_s
    c.first_by_s = c.end_by_s = c.until_s = min(now_s + s.timeout_s, c.deadline_s)
    return PERFORM


def tokens_to_summarize(g: Any, c: Any, known: Any, turns: int) -> int:
    """Input of the call: what to do, the summary so far, and the turns that are new to it."""
    tokens, done = INSTRUCTION_TOKENS, turns_covered(known, c.first_turn)
    if done > 0:
        tokens += g.context.summary_tokens
    first = c.history_start + c.first_turn
    for turn in range(first + done, first + turns):
        tokens += g.history[turn]
    return tokens


def turns_covered(known: Any, first_turn: int) -> int:
    """Turns from ``first_turn`` on that a summary made before stands for."""
    return known.turns if known.first_turn == first_turn else 0


def woken(g: Any, c: Any, now_s: float) -> int:
    if c.status == STREAMING or c.status == UNDER_WAY:
        return WAIT
    give_back(g, c)
    c.summary_s = now_s - c.summary_since_s
    c.summary_usd = c.attempt_cost_usd
    turns = turns_summarized(g.context, c.history_turns - c.first_turn)
    if c.status == 200:
        c.summary = MADE
        known = g.summaries[c.conversation]
        if known.first_turn != c.first_turn or known.turns < turns:
            known.first_turn, known.turns = c.first_turn, turns
    else:
        c.summary = FAILED
        c.input_tokens = c.prompt_tokens
        for turn in range(c.history_start + c.first_turn + turns + c.turns_cut, c.history_start + c.history_turns):
            c.input_tokens += g.history[turn]
    return TIMEOUT if now_s >= c.deadline_s else CONTINUE


def leave(g: Any, c: Any, now_s: float) -> None:
    if c.summarizing:
        give_back(g, c)
        c.summary_s = now_s - c.summary_since_s
        c.summary_usd = c.attempt_cost_usd


def lend(c: Any, input_tokens: int, answer_tokens: int) -> None:
    """To its provider the call is its summary's for a while: another prompt of the same number, without history."""
    c.summarizing = True
    c.own_prompt_tokens, c.own_answer_tokens, c.own_input_tokens = c.prompt_tokens, c.answer_tokens, c.input_tokens
    c.own_history_turns, c.own_streams = c.history_turns, c.streams
    c.prompt_tokens = c.input_tokens = input_tokens
    c.answer_tokens, c.history_turns, c.streams = max(1, answer_tokens), 0, False


def give_back(g: Any, c: Any) -> None:
    c.summarizing = False
    c.prompt_tokens, c.answer_tokens, c.input_tokens = c.own_prompt_tokens, c.own_answer_tokens, c.own_input_tokens
    c.history_turns, c.streams = c.own_history_turns, c.own_streams
    g.targets[c.target].in_flight -= 1
