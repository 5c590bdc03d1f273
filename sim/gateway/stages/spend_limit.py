"""Spend limits: how many dollars one user may cost in a day. What a call costs is known when it has ended, so the last one may go over."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import Annotated, Any

from pydantic import Field

from sim.data.outcomes import RATE_LIMITED
from sim.gateway.call import CONTINUE
from sim.kernel.containers import Keyed
from sim.kernel.refusals import refusal
from sim.kernel.state import state
from sim.scenario.finding import Finding
from sim.scenario.metric_names import StageFigure
from sim.scenario.units import Seconds
from sim.scenario.values import Duration, Model

SPENT = refusal("spend per user")


class SpendLimit(Model):
    """A limit on what every user costs, by the calendar: windows are whole multiples of ``per`` since the start of the run."""

    per_user_usd: Annotated[float, Field(gt=0)] = Field(description="USD that one user may cost in a window; then its requests are refused")
    per: Duration = Field(Seconds(86_400.0), description="length of the window")


class Config(Model):
    spend_limit: SpendLimit | None = Field(None, description="a limit on what every user costs; default: none")


@state
class State:
    limit_usd: float
    window_s: float


@state
class Account:
    """What a user has cost in one window."""

    window: int = 0
    spent_usd: float = 0.0


@state
class Call:
    user_spent_usd: float = 0.0


OPTIONAL = True
COLUMNS = {"user_spent_usd": ("f8", "cost of its user in the present window, before it; 0 without a spend limit")}
FIGURES = {
    "spend_limited_rate": StageFigure("share", "lower", "requests refused because their user had spent its limit", refused_by=SPENT),
    "user_spent_usd": StageFigure("USD", "neither", "what a request's user had cost in its window, on average", column="user_spent_usd"),
}


def build(scenario: Any, seed: int) -> Any:
    limit = scenario.gateway.spend_limit
    return None if limit is None else State(limit.per_user_usd, limit.per)


def check(scenario: Any) -> Iterator[Finding]:
    limit = scenario.gateway.spend_limit
    if limit is not None and limit.per <= 0:
        yield Finding(("gateway", "spend_limit", "per"), "expected a duration above zero", "leave it out for a day")


def accounts(scenario: Any, s: Any) -> Keyed:
    return Keyed("user", Account, bounded=True)


TABLES = (accounts,)


def enter(g: Any, c: Any, now_s: float) -> int:
    c.user_spent_usd = in_window(g, c.user, now_s).spent_usd
    if c.user_spent_usd >= g.spend_limit.limit_usd:
        c.refused_by = SPENT
        return RATE_LIMITED
    return CONTINUE


def leave(g: Any, c: Any, now_s: float) -> None:
    in_window(g, c.user, now_s).spent_usd += c.cost_usd


def in_window(g: Any, user: Any, now_s: float) -> Any:
    """The user's account in the window of now."""
    account, window = g.accounts[user], floor(now_s / g.spend_limit.window_s)
    if account.window != window:
        account.window, account.spent_usd = window, 0.0
    return account
