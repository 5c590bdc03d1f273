"""Accepting connections: an event loop on libuv accepts one new connection in each of its rounds (libuv pull request 3696).

The clients keep their connections, as those of one calling service do: a request goes over an idle one, and over a new one only where there
is none. A new one waits in the kernel's queue for a round of its own: of all calls that a worker has begun, each has its turn before the
next is accepted. So calls over kept connections pass those that wait, and past saturation the gateway goes on answering some while the
others wait beyond their clients' patience, instead of letting everybody wait for too long. A connection is closed when its client leaves.
Idle ones are kept for as long as they may be needed: servers close them after seconds (uvicorn: 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from math import inf
from typing import Any, Literal

from pydantic import Field

from sim.data.outcomes import ABANDONED
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.stages import cpu
from sim.kernel.containers import NOBODY, Line, append, remove, take_first, wake
from sim.kernel.state import state
from sim.scenario.finding import Finding
from sim.scenario.values import Model

OPTIONAL = True


class Config(Model):
    accepts: Literal["all", "one"] = Field(
        "all",
        description="new connections that a busy worker accepts before it turns to its calls again: all that wait, or one, as event loops "
        "on libuv do (uvloop, Node.js), so that calls over connections that clients have kept pass them",
    )


@state
class State:
    patience_s: float = inf  # of clients whose calls go on without them
    idle: int = 0  # connections
    next: int = NOBODY  # the call that waits for a round
    backlog: Line = field(default_factory=Line)  # those behind it


@state
class Call:
    in_backlog: bool = False
    accept_at_s: float = inf
    accept_s: float = 0.0


COLUMNS = {"accept_s": ("f8", "waiting for its connection to be accepted")}
PARTS = {"accept_s": "accepting connections"}


def check(scenario: Any) -> Iterator[Finding]:
    if scenario.gateway.accepts == "one" and not cpu.works(scenario):
        message = "the workers have nothing to do, so that they accept every connection at once"
        yield Finding(("gateway", "accepts"), message, "give cpu_per_request, the work for each call", warning=True)


def build(scenario: Any, seed: int) -> Any:
    if scenario.gateway.accepts == "all" or not cpu.works(scenario):
        return None
    timeout_s = scenario.workload.client.timeout
    return State(inf if timeout_s is None else timeout_s)


def round_ends_s(g: Any, now_s: float) -> float:
    """When the first worker has given each of its calls a turn."""
    ends_s = inf
    for number in range(g.cpu.workers):
        ends_s = min(ends_s, g.workers[number].free_s)
    return max(ends_s, now_s)


def enter(g: Any, c: Any, now_s: float) -> int:
    s = g.accept
    if s.idle > 0:
        s.idle -= 1
        return CONTINUE
    if s.next != NOBODY:
        append(g.calls, s.backlog, c.slot)
        c.in_backlog, c.until_s = True, inf
        return WAIT
    c.accept_at_s = round_ends_s(g, now_s)
    if c.accept_at_s <= now_s:
        return CONTINUE
    s.next, c.until_s = c.slot, c.accept_at_s
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    """The next one: its round begins, or has ended."""
    if now_s < c.accept_at_s:
        c.accept_at_s = c.until_s = round_ends_s(g, now_s)
        if now_s < c.until_s:
            return WAIT
    c.accept_s = now_s - c.arrival_s
    call_next(g)
    return CONTINUE


def call_next(g: Any) -> None:
    """It is woken at the end of this event, when the worker has the work of the one before it."""
    s = g.accept
    s.next = NOBODY
    if s.backlog.length > 0:
        s.next = take_first(g.calls, s.backlog)
        g.calls[s.next].in_backlog = False
        wake(g, g.calls[s.next])


def leave(g: Any, c: Any, now_s: float) -> None:
    if c.in_backlog:
        remove(g.calls, g.accept.backlog, c.slot)
        c.in_backlog = False
    elif g.accept.next == c.slot:
        call_next(g)
    elif c.outcome != ABANDONED and now_s - c.arrival_s < g.accept.patience_s:
        g.accept.idle += 1
