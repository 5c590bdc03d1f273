"""The loop of events: line by line that of ``sim.engine.simpy_driver.simulation``, over arrays.

A table without room for what the next step may need ends it with NEEDS_ROOM; who has made room calls it again.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from math import inf, nan
from typing import Any

from sim.data.outcomes import ABANDONED
from sim.engine.compiled_driver import programs
from sim.engine.compiled_driver.arrivals import NOTHING, answered, arrive, send
from sim.engine.compiled_driver.cache import compiled
from sim.engine.compiled_driver.features import due_s, has_prefixes, next_server, reach_mark, rearm_servers
from sim.engine.compiled_driver.heap import CALL, GIVE_UP, KIND, KIND_BITS, SEND, TIMER, drop_first, push
from sim.engine.compiled_driver.numbing import is_there, jitable, means, merged
from sim.engine.compiled_driver.sharing import shared
from sim.engine.compiled_driver.timeline import sample_until
from sim.engine.compiled_driver.writing import write_attempt, write_request
from sim.gateway import chain
from sim.gateway.call import CONTINUE, PERFORM
from sim.gateway.hooks import free_slot
from sim.gateway.stages.hedge import ended as fork_ended
from sim.gateway.stages.upstream import settle
from sim.kernel.containers import NOBODY, take_ready
from sim.kernel.state import Wide, state
from sim.provider import simulated

FINISHED, NEEDS_ROOM, NEEDS_REQUESTS = 0, 1, 2
ROOM = 8  # for events that one step may set, and the three that its heap looks at behind the last
OVER = -2  # instead of a slot
REGISTERED = programs.REGISTERED

advance_call, perform, go_on_with = merged(chain.advance), merged(simulated.perform), merged(simulated.go_on)

Engine = namedtuple("Engine", ["loop", "events", "places", "due", "blank", "requests", "waiting", "rows", "attempts", "timeline"])
"""``places``: of calls' events, by slot. ``due``: events of shared servers, by number; None without such."""
Waiting = namedtuple("Waiting", ["following", "think_s", "open"])
"""Of requests that wait for the answers to others: by number, which one follows, how long its client thinks before that, and whether its
client waits for the answer. None for requests that come at times of their own.
"""


@state
class Loop:
    now_s: float = 0.0
    order: Wide = 0
    events: int = 0
    arrived: int = 0  # rows of e.requests that have been sent, where they come at times of their own
    last: bool = False  # there are no requests after those
    sending: int = 0  # events that send a request
    inside: int = 0
    entered: int = 0
    area_s: float = 0.0
    area_at_s: float = 0.0
    attempts: int = 0
    over_s: float = inf  # no waiting request is sent from here on
    over_included: bool = True  # or only after it
    gives_up_after_s: float = inf
    longest: int = 0  # turns of history of a request
    step: int = 0  # from a waiting request's number to that of its following one, at most
    furthest: int = 0  # the highest number of a waiting request that has been sent, or is to be
    retries_on: int = 0  # these four: see sim.workload.client_retries.Sendings
    requests_first: int = 0
    retry_ratio: float = -1.0
    retry_balance: float = 0.0
    ends_s: float = 0.0  # stages' timers go on until then
    sampled: int = 0
    sample_due_s: float = nan
    sample_every_s: float = 1.0


@compiled
def advance(g: Any, p: Any, e: Any) -> int:
    """Play until all is over, or the next step needs more room or requests."""
    g, p, e = shared(g), shared(p), shared(e)
    loop = e.loop
    while has_room(g, p, e):  # a new call goes through chain.advance, any other through chain.resume
        if g.ready.length > 0:
            c = take_ready(g)
        else:
            rearm_servers(p, e)
            slot = next_call(g, p, e)
            if slot == NOTHING:
                continue
            if slot == OVER:
                return finished(g, e)
            c = g.calls[slot]
        now_s = loop.now_s
        if c.performing:
            go_on_performing(g, p, e, c, now_s)
        c.ticket += 1
        if now_s >= c.leaves_s:
            verdict = chain.depart(g, c, now_s)
        else:
            verdict = advance_call(g, c, now_s, CONTINUE if c.stage == c.floor else chain.woken(g, c, now_s))
        end_leaving(g, p, e)
        if verdict > CONTINUE:
            call_ended(g, e, c)
        else:
            if verdict == PERFORM:
                c.performing = True
                perform(p, c, now_s, c.parent >= 0 and c.streams)
            push(e, min(c.until_s, c.leaves_s), CALL, c.slot, c.ticket)
    return NEEDS_ROOM


@merged
def has_room(g: Any, p: Any, e: Any) -> bool:
    """One step: a call arrives or forks two, each with an event and an attempt; some breakers move."""
    loop = e.loop
    return (
        g.free.top.count >= 2
        and loop.events + ROOM < len(e.events)
        and loop.attempts + 4 < len(e.attempts)
        and g.events.top.count + 8 < len(g.events.rows)
        and has_prefixes(p, loop.longest + 3)
        and (e.waiting is None or loop.furthest + loop.step < len(e.requests))
    )


@merged
def finished(g: Any, e: Any) -> int:
    if e.waiting is None and not e.loop.last:
        return NEEDS_REQUESTS
    sample_until(g, e, inf)
    return FINISHED


@merged
def go_on_performing(g: Any, p: Any, e: Any, c: Any, now_s: float) -> None:
    if now_s >= c.leaves_s:
        simulated.cut(p, c, now_s)
        attempt_ended(g, e, c)
    elif not go_on_with(p, c, now_s):
        attempt_ended(g, e, c)


# ---- what comes next


@merged
def next_call(g: Any, p: Any, e: Any) -> int:
    """The slot of the call that comes or goes on now; NOTHING where an event is no call's, OVER after the last."""
    loop = e.loop
    server = next_server(e)
    at_s = e.events[0].at_s if server == NOBODY else due_s(e, server)
    if e.waiting is None and loop.arrived < len(e.requests):
        arrival_s = e.requests[loop.arrived].arrival_s
        if at_s > arrival_s:
            sample_until(g, e, arrival_s)
            loop.now_s = arrival_s
            loop.arrived += 1
            return arrive(g, e, loop.arrived - 1)
    elif e.waiting is None and not loop.last:
        return OVER  # more requests are needed
    elif loop.inside == 0 and loop.sending == 0 and (g.timers == 0 or at_s > loop.ends_s):
        return OVER
    sample_until(g, e, at_s)
    loop.now_s = at_s
    if server != NOBODY:
        reach_mark(p, e, server)
        return NOTHING
    entry, ticket = e.events[0].entry, e.events[0].ticket
    drop_first(e)
    kind, number = entry & KIND, entry >> KIND_BITS
    if kind == CALL:
        return number if g.calls[number].ticket == ticket else NOTHING
    return happen(g, e, kind, number)


@merged
def happen(g: Any, e: Any, kind: int, number: int) -> int:
    """An event that is no call's."""
    if kind == TIMER:
        push(e, chain.tick(g, number, e.loop.now_s), TIMER, number, 0)
    elif kind == SEND:
        return send(g, e, number)
    elif kind == GIVE_UP:
        answered(e, number, ABANDONED)
    return NOTHING


# ---- ends


def end_leaving(g: Any, p: Any, e: Any) -> None:
    raise NotImplementedError


@means(end_leaving)
def compiled_end_leaving(g: Any, p: Any, e: Any) -> Callable[..., Any]:
    """Only a hedge has calls leave."""

    def end_leaving(g: Any, p: Any, e: Any) -> None:
        while g.leavers.count > 0:
            g.leavers.count -= 1
            c = g.calls[g.leaving[g.leavers.count]]
            if not c.is_back:
                if c.performing:
                    simulated.cut(p, c, e.loop.now_s)
                    attempt_ended(g, e, c)
                chain.depart(g, c, e.loop.now_s)
                fork_ended(g, c)

    return end_leaving if is_there(g, "hedge") else lambda g, p, e: None


@jitable
def attempt_ended(g: Any, e: Any, c: Any) -> None:
    c.performing = False
    settle(g, c)
    write_attempt(e.attempts[e.loop.attempts], c)
    e.loop.attempts += 1


@merged
def call_ended(g: Any, e: Any, c: Any) -> None:
    if c.parent != NOBODY:
        end_fork(g, c)
        return
    loop = e.loop
    loop.area_s += loop.inside * (loop.now_s - loop.area_at_s)
    loop.area_at_s = loop.now_s
    loop.inside -= 1
    write_request(e.rows[c.request], c)
    free_slot(g, c.slot)
    answered(e, c.request, c.outcome)


def end_fork(g: Any, c: Any) -> None:
    raise NotImplementedError


@means(end_fork)
def compiled_end_fork(g: Any, c: Any) -> Callable[..., Any]:
    return (lambda g, c: fork_ended(g, c)) if is_there(g, "hedge") else lambda g, c: None
