"""Context management: how much of a conversation's history goes to the model with the next turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from sim.gateway.call import CONTINUE
from sim.kernel.state import Short, Wide, state
from sim.scenario.errors import did_you_mean
from sim.scenario.finding import Finding
from sim.scenario.targets import target_names
from sim.scenario.units import Seconds
from sim.scenario.values import Count, Duration, Model, Target

KINDS = ("full", "window", "summarize", "budget")
FULL, WINDOW, SUMMARIZE, BUDGET = range(4)


class FullContext(Model):
    """All earlier turns are sent along."""

    kind: Literal["full"]


class WindowContext(Model):
    """The newest earlier turns are sent along."""

    kind: Literal["window"]
    turns: Annotated[int, Field(ge=0)] = Field(description="earlier turns sent along")


class SummarizeContext(Model):
    """From some length on, a summary stands for the older turns."""

    kind: Literal["summarize"]
    after_turns: Count = Field(description="earlier turns from which a conversation is summarised")
    keep_turns: Annotated[int, Field(ge=0)] = Field(description="newest turns that are sent as they are")
    summary_tokens: Annotated[int, Field(ge=0)] = Field(100, description="tokens of the summary")
    every: Count = Field(1, description="turns after which the summary is made anew; until then they are sent as they are")
    model: Target | None = Field(
        None,
        description="provider/model that writes the summary: a call of its own before the request's, of the summary so far and the turns "
        "that are new to it, with its time, tokens and price; default: an extract of the messages, made by the gateway at no cost",
    )
    timeout: Duration = Field(
        Seconds(10.0), description="a summary that takes longer has failed: the newest turns are then sent without one"
    )


class BudgetContext(Model):
    """As many of the newest turns as fit are sent along."""

    kind: Literal["budget"]
    tokens: Annotated[int, Field(ge=0)] = Field(description="most tokens of history sent along; whole turns, newest first")


Context = Annotated[FullContext | WindowContext | SummarizeContext | BudgetContext, Field(discriminator="kind")]


class Config(Model):
    context: Context = Field(FullContext(kind="full"), description="how much of a conversation's history goes along with a turn")


@state
class State:
    """Turns beyond ``keep_turns`` are dropped (window), or become ``summary_tokens`` once there are ``after_turns`` (summarize);
    ``budget_tokens`` is the most that a budget sends along."""

    kind: int = FULL
    keep_turns: int = 0
    after_turns: int = 0
    summary_tokens: Wide = 0
    budget_tokens: Wide = 0
    every: int = 1


@state
class Request:
    history_start: int = 0  # its earlier turns' tokens are g.history[history_start : history_start + history_turns], oldest first
    history_turns: Short = 0


@state
class Call:
    input_tokens: Wide = 0


COLUMNS = {"input_tokens": ("i8", "after the context policy")}


def check(scenario: Any) -> Iterator[Finding]:
    yield from summaries_can_be_made(scenario)
    if scenario.gateway.context.kind != "full" and scenario.workload.conversations is None:
        message = "calls come in no conversations, so there is no history to leave out"
        yield Finding(("gateway", "context"), message, "add workload.conversations", warning=True)


def summaries_can_be_made(scenario: Any) -> Iterator[Finding]:
    context, here = scenario.gateway.context, ("gateway", "context")
    if context.kind != "summarize":
        return
    known = target_names(scenario)
    if context.model is not None and context.model not in known:
        hint = did_you_mean(context.model, known) or f"the providers have {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
        yield Finding((*here, "model"), f"no provider has the target {context.model!r}", hint)
    if context.timeout == 0:
        yield Finding((*here, "timeout"), "expected a duration above zero", "leave it out for 10s")
    if context.model is None and "timeout" in context.model_fields_set:
        yield Finding((*here, "timeout"), "there is no call that could take so long", "say which model: provider/model", warning=True)


def build(scenario: Any, seed: int) -> Any:
    config = scenario.gateway.context
    numbers = {"keep_turns": getattr(config, "turns", getattr(config, "keep_turns", 0))}
    if config.kind == "summarize":
        numbers |= {"after_turns": config.after_turns, "summary_tokens": config.summary_tokens, "every": config.every}
    if config.kind == "budget":
        numbers["budget_tokens"] = config.tokens
    return State(KINDS.index(config.kind), **numbers)


def enter(g: Any, c: Any, now_s: float) -> int:
    c.input_tokens = c.prompt_tokens
    if c.history_turns > c.first_turn:
        c.input_tokens += history_tokens(g.context, g.history, c.history_start + c.first_turn, c.history_start + c.history_turns)
    return CONTINUE


def history_tokens(s: Any, history: Any, start: int, stop: int) -> int:
    """Tokens of history sent along, of the turns from ``start`` to ``stop`` in ``history``."""
    kept = turns_kept(s, history, start, stop)
    tokens = summary_tokens(s, stop - start)
    for turn in range(stop - kept, stop):
        tokens += history[turn]
    return tokens


def turns_kept(s: Any, history: Any, start: int, stop: int) -> int:
    """The number of newest turns that are sent as they are."""
    turns = stop - start
    if s.kind == FULL:
        return turns
    if s.kind == SUMMARIZE:
        return turns - turns_summarized(s, turns)
    if s.kind == WINDOW:
        return min(turns, s.keep_turns)
    kept = total = 0
    while kept < turns:
        total += history[stop - 1 - kept]
        if total > s.budget_tokens:
            break
        kept += 1
    return kept


def turns_summarized(s: Any, turns: int) -> int:
    """The number of oldest turns, of ``turns``, that a summary stands for; 0 without one."""
    if s.kind != SUMMARIZE or turns < s.after_turns:
        return 0
    return max(0, s.after_turns - s.keep_turns + (turns - s.after_turns) // s.every * s.every)


def summary_tokens(s: Any, turns: int) -> int:
    """The length of the summary that stands for the turns not kept; 0 without one."""
    return s.summary_tokens if turns_summarized(s, turns) > 0 else 0
