"""Retries and failover: again on the same target after a pause, or on the next one, until one answers or all is tried.

The targets stand in the routing's order; each gets ``attempts`` attempts, or, where retries go to the next target, the targets take turns
until there have been ``attempts`` in all, or, where they go to any, the routing chooses anew for each. Retries cost from a budget; failing
over to the next provider is free and comes at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from sim.data.outcomes import ERROR, TIMEOUT
from sim.data.statuses import NO_CONNECTION, NOT_SENT, REFUSED, TIMED_OUT
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.hooks import permits
from sim.gateway.stages.route import arrange
from sim.kernel.containers import NOBODY
from sim.kernel.random import root_of, uniform_below
from sim.kernel.refusals import refusal
from sim.kernel.state import Short, Wide, state
from sim.scenario.backoff import Backoff
from sim.scenario.finding import Finding
from sim.scenario.values import Model, Ratio

RESERVE = 10.0
BACKOFFS = ("none", "constant", "exponential", "full-jitter", "equal-jitter", "decorrelated-jitter")
NONE, CONSTANT, EXPONENTIAL, FULL_JITTER, EQUAL_JITTER, DECORRELATED_JITTER = range(6)
JITTER = 61  # purpose of the draws
NO_TARGET = refusal("no healthy target")


class Retry(Model):
    """Attempts of one call."""

    SHORT: ClassVar[str] = "attempts"
    attempts: Annotated[int, Field(ge=1, le=20)] = Field(3, description="attempts in all, the first one included")
    backoff: Backoff = Field(Backoff(), description="pauses between attempts")
    budget: Ratio | None = Field(None, description="retries allowed as a share of calls (0.2 or 20%); default: no limit")
    to: Literal["same", "next", "any"] = Field(
        "same", description="target of a retry: the same one, the next in the routing's order, or any: the routing chooses once more"
    )
    honor_retry_after: bool = Field(True, description="wait for as long as the provider says, if that is longer")


class Config(Model):
    retry: Retry = Field(Retry(attempts=1), description="again after a failure; default: one attempt")


@state
class State:
    """The budget is Finagle's RetryBudget without its time windows, on gRPC's token arithmetic (maxTokens 10): each call pays in
    ``ratio``, each retry costs 1, at most RESERVE is saved up. It starts full. Below zero: no budget."""

    attempts: int
    next: bool
    anew: bool
    next_provider: bool
    honors_retry_after: bool
    backoff: int
    base_s: float
    cap_s: float
    ratio: float
    balance: float
    root: Wide  # of the draws


@state
class Call:
    place: Short = NOBODY  # in the itinerary: one place for each attempt that it may come to
    tried: Short = NOBODY  # the target of the last attempt
    failure: Short = ERROR  # how the last attempt failed
    retries: Short = 0
    pause_s: float = 0.0
    backoff_s: float = 0.0


COLUMNS = {"backoff_s": ("f8", "spent between attempts")}
PARTS = {"backoff_s": "pauses between attempts"}


def check(scenario: Any) -> Iterator[Finding]:
    retry = scenario.gateway.retry
    if retry.attempts == 1:
        for name in ("backoff", "budget", "to"):
            if getattr(retry, name) != Retry.model_fields[name].default:
                message = "attempts is 1: there are no retries that it could matter to"
                yield Finding(("gateway", "retry", name), message, "attempts counts the first one: 3 allows two retries", warning=True)


def build(scenario: Any, seed: int) -> Any:
    config = scenario.gateway.retry
    ratio = -1.0 if config.budget is None else float(config.budget)
    return State(
        config.attempts, config.to == "next", config.to == "any", "next-provider" in scenario.gateway.fallback, config.honor_retry_after,
        BACKOFFS.index(config.backoff.kind), config.backoff.base, config.backoff.cap, ratio, RESERVE if ratio > 0 else 0.0,
        root_of(seed, JITTER),
    )  # fmt: skip


def enter(g: Any, c: Any, now_s: float) -> int:
    if now_s >= c.deadline_s:  # its turn came too late
        return TIMEOUT
    if g.retry.ratio >= 0.0:
        deposit(g.retry)
    c.status = NOT_SENT
    if c.candidates == 0:
        c.refused_by = NO_TARGET
        return c.failure
    c.place, c.aim = 0, g.orders[c.slot][0]  # routing has just asked whether it may be called
    return CONTINUE


def woken(g: Any, c: Any, now_s: float) -> int:
    c.backoff_s += c.pause_s
    return CONTINUE


def rescue(g: Any, c: Any, now_s: float) -> int:
    s = g.retry
    if c.status != NOT_SENT:
        c.failure = c.outcome
        if now_s >= c.deadline_s:
            return c.outcome
        if not deserves_retry(c.status):
            if s.anew or not s.next_provider:
                return c.outcome
            give_up(g, c)
        c.tried = c.aim
    return next_target(g, c, now_s)


def next_target(g: Any, c: Any, now_s: float) -> int:
    """The next place of the itinerary at which an attempt may be made: CONTINUE there, at once or after a pause; or the failure."""
    s, order = g.retry, g.orders[c.slot]
    c.status = NOT_SENT
    last = places(s, c.candidates) - 1
    while c.place < last:
        c.place += 1
        if s.anew:
            arrange(g, c, c.place, now_s)
            if c.candidates == 0:
                break
        c.aim = order[target_place(s, c.place, c.candidates)]
        if c.aim == NOBODY or not permits(g, c.aim, now_s):
            continue
        if c.tried == NOBODY or not (c.aim == c.tried or s.next or s.anew):
            return CONTINUE
        if s.ratio >= 0.0 and not withdraw(s):
            give_up(g, c)
            continue
        draw = uniform_below(s.root, c.request, c.retries)
        c.pause_s = backoff_s(s, c.retries, c.pause_s, draw)
        if c.aim == c.tried and s.honors_retry_after and c.retry_after_s > c.pause_s:
            c.pause_s = c.retry_after_s
        if now_s + c.pause_s >= c.deadline_s:
            give_up(g, c)
            continue
        c.retries += 1
        c.until_s = now_s + c.pause_s
        return WAIT
    if c.tried == NOBODY:
        c.refused_by = NO_TARGET
    return c.failure


def start_over(c: Any) -> None:
    """The call goes down to the providers once more, as if it had not been there; what that has cost stays."""
    c.tried, c.failure, c.pause_s = NOBODY, ERROR, 0.0
    c.output_tokens = 0
    c.first_token_s = c.generation_s = c.first_content_s = nan


def places(s: Any, candidates: int) -> int:
    if candidates == 0:
        return 0
    if s.next or s.anew:
        return s.attempts
    return s.attempts * candidates if s.next_provider else s.attempts


def target_place(s: Any, place: int, candidates: int) -> int:
    if s.anew:
        return 0
    return place % candidates if s.next else place // s.attempts


def give_up(g: Any, c: Any) -> None:
    """The target deserves no further attempt of this call."""
    g.orders[c.slot][target_place(g.retry, c.place, c.candidates)] = NOBODY


def deserves_retry(status: int) -> bool:
    """As the official SDKs and LiteLLM: refused, timed out (also in wait for a connection), 408, 409, 429 and every 5xx."""
    return status >= 500 or status in (REFUSED, TIMED_OUT, NO_CONNECTION, 408, 409, 429)


def deposit(budget: Any) -> None:
    balance = budget.balance + budget.ratio
    budget.balance = balance if balance < RESERVE else RESERVE


def withdraw(budget: Any) -> bool:
    """True and one retry paid for, or False."""
    if budget.balance < 1.0:
        return False
    budget.balance -= 1.0
    return True


def backoff_s(s: Any, retry: int, previous_s: float, draw: float) -> float:
    """Seconds before retry number ``retry`` (from 0), by AWS's formulas; ``draw`` is uniform in (0, 1)."""
    if s.backoff == NONE:
        return 0.0
    if s.backoff == CONSTANT:
        return s.base_s
    if s.backoff == DECORRELATED_JITTER:
        return min(s.cap_s, s.base_s + draw * max(0.0, 3.0 * max(previous_s, s.base_s) - s.base_s))
    ceiling_s = min(s.cap_s, s.base_s * 2.0**retry)
    if s.backoff == FULL_JITTER:
        return draw * ceiling_s
    if s.backoff == EQUAL_JITTER:
        return ceiling_s / 2.0 + draw * ceiling_s / 2.0
    return ceiling_s
