"""Spend limits: how many dollars one user, and all together, may cost in a day. What a call costs is known when it has ended, so the last
ones may go over.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, inf
from typing import Annotated, Any

from pydantic import Field

from sim.data.outcomes import RATE_LIMITED
from sim.gateway.call import CONTINUE
from sim.gateway.hooks import SPENDING
from sim.kernel.containers import Keyed
from sim.kernel.refusals import refusal
from sim.kernel.state import state
from sim.scenario.finding import Finding
from sim.scenario.metric_names import StageFigure
from sim.scenario.units import Seconds
from sim.scenario.values import Duration, Model

SPENT, ALL_SPENT = refusal("spend per user"), refusal("global spend")


class SpendLimit(Model):
    """A limit on what users cost, by the calendar: windows are whole multiples of ``per`` since the start of the run."""

    per_user_usd: Annotated[float, Field(gt=0)] | None = Field(
        None, description="USD that one user may cost in a window; then its requests are refused; default: no limit"
    )
    global_usd: Annotated[float, Field(gt=0)] | None = Field(
        None, description="USD that all users together may cost in a window; then all requests are refused; default: no limit"
    )
    per: Duration = Field(Seconds(86_400.0), description="length of the window")


class Config(Model):
    spend_limit: SpendLimit | None = Field(None, description="a limit on what users cost; default: none")


@state
class State:
    limit_usd: float
    window_s: float
    all_usd: float = inf
    all_window: int = 0
    all_spent_usd: float = 0.0


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
    "global_spend_limited_rate": StageFigure("share", "lower", "requests refused because all had spent the limit", refused_by=ALL_SPENT),
    "user_spent_usd": StageFigure("USD", "neither", "what a request's user had cost in its window, on average", column="user_spent_usd"),
}


def build(scenario: Any, seed: int) -> Any:
    limit = scenario.gateway.spend_limit
    return None if limit is None else State(limit.per_user_usd or inf, limit.per, limit.global_usd or inf)


def check(scenario: Any) -> Iterator[Finding]:
    limit = scenario.gateway.spend_limit
    if limit is not None and limit.per <= 0:
        yield Finding(("gateway", "spend_limit", "per"), "expected a duration above zero", "leave it out for a day")
    if limit is not None and limit.per_user_usd is None and limit.global_usd is None:
        yield Finding(("gateway", "spend_limit"), "it limits nothing", "write per_user_usd: 1.5, or global_usd: 200")
    if limit is not None and limit.per > scenario.workload.duration:
        message = "the run is shorter than the window: figures per day and per month go on as the run did, and know of no limit beyond it"
        yield Finding(
            ("gateway", "spend_limit", "per"), message, "lengthen workload.duration, or shorten per with the limits", warning=True
        )


def accounts(scenario: Any, s: Any) -> Keyed:
    return Keyed("user", Account, bounded=True)


TABLES = (accounts,)


def enter(g: Any, c: Any, now_s: float) -> int:
    c.user_spent_usd = in_window(g, c.user, now_s).spent_usd
    if c.user_spent_usd >= g.spend_limit.limit_usd:
        c.refused_by = SPENT
        return RATE_LIMITED
    if all_spent_usd(g.spend_limit, now_s) >= g.spend_limit.all_usd:
        c.refused_by = ALL_SPENT
        return RATE_LIMITED
    return CONTINUE


def leave(g: Any, c: Any, now_s: float) -> None:
    in_window(g, c.user, now_s).spent_usd += c.cost_usd
    all_spent_usd(g.spend_limit, now_s)
    g.spend_limit.all_spent_usd += c.cost_usd


def load(g: Any, signal: int, now_s: float) -> float:
    return all_spent_usd(g.spend_limit, now_s) / g.spend_limit.all_usd if signal == SPENDING else 0.0


def in_window(g: Any, user: Any, now_s: float) -> Any:
    """The user's account in the window of now."""
    account, window = g.accounts[user], floor(now_s / g.spend_limit.window_s)
    if account.window != window:
        account.window, account.spent_usd = window, 0.0
    return account


def all_spent_usd(s: Any, now_s: float) -> float:
    """What all have spent in the window of now."""
    window = floor(now_s / s.window_s)
    if s.all_window != window:
        s.all_window, s.all_spent_usd = window, 0.0
    return float(s.all_spent_usd)
