"""The queue of events: a heap with four places below each, half as deep as with two; least (time, order) first.

An event is of a call in its slot, a timer, a server or a client.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from sim.engine.compiled_driver.numbing import jitable
from sim.kernel.state import Wide, dtype_of, state

CALL, TIMER, SERVER, SEND, GIVE_UP = range(5)
KIND_BITS = 3
KIND = (1 << KIND_BITS) - 1
BEFORE_CALLS = 1 << 62  # taken from the order of timers and servers: at one instant they precede calls


@state
class Event:
    at_s: float = inf
    order: Wide = 0
    entry: int = 0  # number of the slot, timer, server or request, and the kind
    ticket: int = 0


EVENT = dtype_of(Event)


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
        above = (place - 1) >> 2
        parent = events[above]
        if parent.at_s < at_s or (parent.at_s == at_s and parent.order < order):
            break
        put(events[place], parent.at_s, parent.order, parent.entry, parent.ticket)
        place = above
    put(events[place], at_s, order, entry, ticket)


@jitable
def drop_first(e: Any) -> None:
    """The hole sinks to the bottom; the last event fills it and rises."""
    events, last = e.events, e.loop.events - 1
    e.loop.events = last
    moved = events[last]
    at_s, order, entry, ticket = moved.at_s, moved.order, moved.entry, moved.ticket
    moved.at_s = inf
    place, below = 0, 1
    while below < last:
        left = below + is_earlier(events[below + 1], events[below])
        right = below + 2 + is_earlier(events[below + 3], events[below + 2])
        first = right if is_earlier(events[right], events[left]) else left
        put(events[place], events[first].at_s, events[first].order, events[first].entry, events[first].ticket)
        place, below = first, 4 * first + 1
    if last > 0:
        rise(events, place, at_s, order, entry, ticket)


@jitable
def is_earlier(event: Any, other: Any) -> int:
    return int(event.order < other.order if event.at_s == other.at_s else event.at_s < other.at_s)


@jitable
def put(event: Any, at_s: float, order: int, entry: int, ticket: int) -> None:
    event.at_s, event.order, event.entry, event.ticket = at_s, order, entry, ticket


def no_events(room: int) -> np.ndarray:
    """Places behind the last event hold times that never come: three of them are looked at."""
    events = np.empty(room, EVENT)
    events["at_s"] = inf
    return events
