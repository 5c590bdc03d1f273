"""Rate limits of the gateway: requests and tokens, for every user and for all together.

Tokens are charged with what a gateway can know at admission (the prompt, and what is reserved for the answer), and settled when the answer
is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from sim.data.outcomes import RATE_LIMITED
from sim.gateway.call import CONTINUE
from sim.kernel.containers import Keyed
from sim.kernel.refusals import refusal
from sim.kernel.state import Wide, state
from sim.provider.rate_limiter import TOKEN_BUCKET, Limit, give_back, limit_of, ring_of, take
from sim.scenario.finding import Finding
from sim.scenario.limits import Limits, check_limits
from sim.scenario.values import Model

USER_REQUESTS, USER_TOKENS = refusal("requests per user"), refusal("tokens per user")
ALL_REQUESTS, ALL_TOKENS = refusal("global requests"), refusal("global tokens")


class GatewayLimits(Limits):
    """Limits that charge tokens before the answer is known."""

    reserve: Annotated[int, Field(ge=0)] = Field(
        0, description="tokens charged for the answer at admission (max_tokens, or an estimate); settled when the answer is there"
    )


class LimitsBy(Model):
    """By whom the limits apply to."""

    per_user: GatewayLimits | None = Field(None, description="for every user alone; default: no limit")
    global_: GatewayLimits | None = Field(None, alias="global", description="for all users together; default: no limit")


class Config(Model):
    limits: LimitsBy = Field(LimitsBy(), description="rate limits of the gateway; default: none")


@state
class State:
    """Which of the four limits there are, and what they reserve for an answer."""

    user_requests: bool
    user_tokens: bool
    all_requests: bool
    all_tokens: bool
    user_reserve: Wide
    all_reserve: Wide


@state
class Call:
    user_charged: Wide = -1  # tokens; below zero: none
    all_charged: Wide = -1


def build(scenario: Any, seed: int) -> Any:
    user, all_ = scenario.gateway.limits.per_user, scenario.gateway.limits.global_
    if user is None and all_ is None:
        return None
    user_requests, user_tokens, all_requests, all_tokens = (
        limits is not None and getattr(limits, what) is not None for limits in (user, all_) for what in ("requests", "tokens")
    )
    return State(user_requests, user_tokens, all_requests, all_tokens, user.reserve if user else 0, all_.reserve if all_ else 0)


def check(scenario: Any) -> Iterator[Finding]:
    yield from check_limits(("gateway", "limits", "per_user"), scenario.gateway.limits.per_user)
    yield from check_limits(("gateway", "limits", "global"), scenario.gateway.limits.global_)


def limit_table(who: str, what: str) -> Any:
    """The table of one of the limits, and that of its rings (the times that a sliding log looks back at)."""

    def chosen(scenario: Any) -> tuple[Any, str]:
        limits = getattr(scenario.gateway.limits, "per_user" if who == "user" else "global_")
        return (None, "") if limits is None else (getattr(limits, what), limits.algorithm)

    def limit(scenario: Any, s: Any) -> Keyed:
        rate, algorithm = chosen(scenario)
        size: Any = who if who == "user" and rate is not None else 1
        return Keyed(size, lambda: Limit() if rate is None else limit_of(rate, algorithm), bounded=True)

    def ring(scenario: Any, s: Any) -> Keyed:
        rate, algorithm = chosen(scenario)
        size: Any = who if who == "user" and rate is not None else 1
        return Keyed(size, lambda: [] if rate is None else ring_of(rate, algorithm), bounded=True)

    limit.__name__, ring.__name__ = f"{who}_{what}", f"{who}_{what}_times"
    return limit, ring


TABLES = tuple(table for who in ("user", "all") for what in ("requests", "tokens") for table in limit_table(who, what))


def enter(g: Any, c: Any, now_s: float) -> int:
    s = g.rate_limit
    if s.user_requests and not take(g.user_requests[c.user], g.user_requests_times[c.user], now_s, 1.0):
        c.refused_by = USER_REQUESTS
        return RATE_LIMITED
    if s.user_tokens:
        tokens = c.prompt_tokens + s.user_reserve
        if not take(g.user_tokens[c.user], g.user_tokens_times[c.user], now_s, tokens):
            c.refused_by = USER_TOKENS
            return RATE_LIMITED
        c.user_charged = tokens
    if s.all_requests and not take(g.all_requests[0], g.all_requests_times[0], now_s, 1.0):
        c.refused_by = ALL_REQUESTS
        return RATE_LIMITED
    if s.all_tokens:
        tokens = c.prompt_tokens + s.all_reserve
        if not take(g.all_tokens[0], g.all_tokens_times[0], now_s, tokens):
            c.refused_by = ALL_TOKENS
            return RATE_LIMITED
        c.all_charged = tokens
    return CONTINUE


def leave(g: Any, c: Any, now_s: float) -> None:
    """Settle: what was used instead of what was charged. A call that no provider answered has used its prompt alone."""
    if c.user_charged >= 0:
        settle(g.user_tokens[c.user], c, c.user_charged, now_s)
    if c.all_charged >= 0:
        settle(g.all_tokens[0], c, c.all_charged, now_s)


def settle(limit: Any, c: Any, charged: int, now_s: float) -> None:
    if limit.algorithm == TOKEN_BUCKET or limit.at_s <= c.arrival_s:  # a window that has begun since then was not charged
        give_back(limit, now_s, float(charged - used(c)))


def used(c: Any) -> int:
    return max(c.prompt_tokens, c.input_tokens) + c.output_tokens
