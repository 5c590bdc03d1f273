"""The queue of events: a binary heap, least (time, order) first. What an event is of: a call in its slot, a timer, a server, a client."""

from __future__ import annotations

from math import inf
from typing import Any

from sim.engine.compiled_driver.numbing import jitable
from sim.kernel.state import state

CALL, TIMER, SERVER, SEND, GIVE_UP = range(5)
KIND_BITS = 3
KIND = (1 << KIND_BITS) - 1
BEFORE_CALLS = 1 << 62  # taken from the order of timers and servers: at one instant they precede calls


@state
class Event:
    at_s: float = inf
    order: int = 0
    entry: int = 0  # number of the slot, timer, server or request, and the kind
    ticket: int = 0


@jitable
def push(e: Any, at_s: float, kind: int, number: int, ticket: int) -> None:
    if at_s < inf:
        loop = e.loop
        loop.order += 1
        order = loop.order - BEFORE_CALLS if kind in (TIMER, SERVER) else loop.order
        rise(e.events, loop.events, at_s, order, number << KIND_BITS | kind, ticket)
        loop.events += 1


@jitable
def rise(events: Any, place: int, at_s: float, order: int, entry: int, ticket: int) -> None:
    """Put an event into the free place, or above it."""
    while place > 0:
        parent = events[(place - 1) >> 1]
        if parent.at_s < at_s or (parent.at_s == at_s and parent.order < order):
            break
        put(events[place], parent.at_s, parent.order, parent.entry, parent.ticket)
        place = (place - 1) >> 1
    put(events[place], at_s, order, entry, ticket)


@jitable
def drop_first(e: Any) -> None:
    """The hole sinks to the bottom; the last event fills it and rises."""
    events, last = e.events, e.loop.events - 1
    e.loop.events = last
    place, below = 0, 1
    while below < last:
        left, right = events[below], events[below + 1]
        below += right.order < left.order if right.at_s == left.at_s else right.at_s < left.at_s  # beyond the last: inf, or a later one
        put(events[place], events[below].at_s, events[below].order, events[below].entry, events[below].ticket)
        place, below = below, 2 * below + 1
    if place < last:
        rise(events, place, events[last].at_s, events[last].order, events[last].entry, events[last].ticket)


@jitable
def put(event: Any, at_s: float, order: int, entry: int, ticket: int) -> None:
    event.at_s, event.order, event.entry, event.ticket = at_s, order, entry, ticket
