"""Hedging: when an attempt has nothing to show after a while, a second one runs beside it, and the first with an answer wins.

Each attempt is a call of its own (a fork of the one that waits here), which passes the stages below by itself. Whichever shows content
first to a client that streams has won, before its answer is complete; the other is cancelled. One that fails leaves the field to the
other; if both fail, the later failure counts.
"""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar, Literal

from pydantic import Field

from sim.data.outcomes import ERROR, OK
from sim.data.statuses import NOT_SENT
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.hooks import fork, free_slot, permits
from sim.gateway.stages.retry import NO_TARGET, RESERVE, deposit, withdraw
from sim.kernel.containers import NOBODY, put, wake
from sim.kernel.state import state
from sim.scenario.values import Duration, Model, Share


class Hedge(Model):
    """A second attempt beside the first one when that has shown no content after ``after``; the loser is billed what it produced."""

    SHORT: ClassVar[str] = "after"
    after: Duration = Field(description="how long the first attempt has for its first content")
    at_most: Share = Field(0.05, description="hedges allowed as a share of attempts; up to 10 may be saved up (Dean & Barroso 2013: 5 %)")
    to: Literal["same", "next"] = Field("same", description="target of the second attempt: the same, or the next in the routing's order")


class Config(Model):
    hedge: Hedge | None = Field(None, description="a second attempt beside a slow one; default: none")


@state
class State:
    after_s: float
    next: bool
    ratio: float
    balance: float


@state
class Call:
    first: int = NOBODY  # slots of its forks
    second: int = NOBODY
    leader: int = NOBODY  # the fork that has won
    last_back: int = NOBODY  # the fork that has ended last
    hedged_since_s: float = 0.0
    is_back: bool = False  # of a fork: it has ended
    is_leaving: bool = False  # it is on g.leaving
    is_orphan: bool = False  # its parent has gone on without it


def build(scenario: Any, seed: int) -> Any:
    config = scenario.gateway.hedge
    if config is None:
        return None
    return State(config.after, config.to == "next", config.at_most, RESERVE if config.at_most > 0 else 0.0)


def enter(g: Any, c: Any, now_s: float) -> int:
    if not permits(g, c.aim, now_s):
        c.refused_by = NO_TARGET
        return ERROR
    deposit(g.hedge)
    c.leader = c.second = NOBODY
    c.hedged_since_s = now_s
    c.first = fork_attempt(g, c, c.aim)
    c.until_s = now_s + g.hedge.after_s
    return WAIT


def fork_attempt(g: Any, c: Any, target: int) -> int:
    """A fork that goes on below this stage, towards ``target``. Returns its slot."""
    c.attempts += 1
    twin = fork(g, c)
    twin.parent, twin.floor = c.slot, c.stage
    twin.first = twin.second = twin.leader = NOBODY
    twin.aim, twin.status, twin.leaves_s = target, NOT_SENT, inf
    twin.committed = twin.is_back = twin.is_ready = twin.is_leaving = twin.is_orphan = False
    twin.cost_usd = twin.failed_s = 0.0
    twin.cached_tokens = 0
    wake(g, twin)
    return twin.slot


def woken(g: Any, c: Any, now_s: float) -> int:
    if c.parent != NOBODY:
        return CONTINUE  # a fork begins
    if c.leader == NOBODY:
        choose_leader(g, c)
    if c.leader != NOBODY:
        return result(g, c, g.calls[c.leader], now_s) if g.calls[c.leader].is_back else wait(c)
    first_back = g.calls[c.first].is_back
    if c.second == NOBODY:
        if first_back:
            return result(g, c, g.calls[c.first], now_s)
        if now_s >= c.until_s:
            begin_second(g, c, now_s)
            return wait(c)
        return WAIT
    if first_back and g.calls[c.second].is_back:
        return result(g, c, g.calls[c.last_back], now_s)
    return wait(c)


def wait(c: Any) -> int:
    c.until_s = inf
    return WAIT


def choose_leader(g: Any, c: Any) -> None:
    """The first fork that has shown content, or has an answer, wins; the other one is cancelled."""
    for slot, other in ((c.first, c.second), (c.second, c.first)):
        if slot != NOBODY and c.leader == NOBODY and (g.calls[slot].shows or (g.calls[slot].is_back and g.calls[slot].outcome == OK)):
            c.leader = slot
            g.calls[slot].wins = True
            if other != NOBODY and not g.calls[other].is_back:
                cancel(g, other)


def cancel(g: Any, slot: int) -> None:
    """Drivers end the calls on ``g.leaving`` before they do anything else."""
    if not g.calls[slot].is_leaving:
        g.calls[slot].is_leaving = True
        put(g.leaving, g.leavers.count, slot)
        g.leavers.count += 1


def begin_second(g: Any, c: Any, now_s: float) -> None:
    target = c.aim
    if g.hedge.next:
        target = other_target(g, c, now_s)
    if withdraw(g.hedge):
        c.second = fork_attempt(g, c, target)


def other_target(g: Any, c: Any, now_s: float) -> int:
    """The first target of the call's pool, in this call's order, that is not the one it is at and may be called; else the same."""
    size = g.pool_sizes[c.needs].targets
    for place in range(size):
        target = g.pools[c.needs][(place + c.shift) % size]
        if target != c.aim and permits(g, target, now_s):
            return target
    return c.aim


def result(g: Any, c: Any, fork: Any, now_s: float) -> int:
    """The outcome of the fork that counts. Attempts side by side count once in the latency: the wait for the second one belongs to the
    first token, or to the failure of both.
    """
    elapsed_s = now_s - c.hedged_since_s
    c.status, c.retry_after_s, c.refused_by = fork.status, fork.retry_after_s, fork.refused_by
    if fork.committed:
        c.committed = True
    if fork.outcome == OK or fork.committed:
        c.first_content_s = fork.first_content_s
    if fork.outcome == OK:
        c.target, c.key = fork.target, fork.key
        c.generation_s, c.output_tokens = fork.generation_s, fork.output_tokens
        c.first_token_s = elapsed_s - fork.generation_s
    else:
        c.failed_s += elapsed_s
    return fork.outcome


def ended(g: Any, fork: Any) -> None:
    """A fork has ended: what it cost is its parent's, who goes on unless it has cancelled the fork itself. Drivers call this."""
    c = g.calls[fork.parent]
    c.cost_usd += fork.cost_usd
    c.cached_tokens += fork.cached_tokens
    if fork.status <= NOT_SENT:
        c.attempts -= 1
    fork.is_back, c.last_back = True, fork.slot
    if fork.is_orphan:
        free_slot(g, fork.slot)
    elif not fork.is_leaving:
        wake(g, c)


def leave(g: Any, c: Any, now_s: float) -> None:
    for slot in (c.first, c.second):
        if slot != NOBODY and g.calls[slot].is_back:
            free_slot(g, slot)
        elif slot != NOBODY:
            g.calls[slot].is_orphan = True
            cancel(g, slot)
    c.first = c.second = NOBODY
