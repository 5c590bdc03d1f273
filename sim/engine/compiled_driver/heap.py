"""The queue of events: a heap with four places below each, half as deep as with two; least (time, order) first.

An event is of a call in its slot, a timer or a client. ``e.places`` knows where each call's event stands.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from sim.engine.compiled_driver.numbing import jitable
from sim.kernel.containers import NOBODY
from sim.kernel.state import Wide, dtype_of, state

CALL, TIMER, SEND, GIVE_UP = range(4)
KIND_BITS = 2
KIND = (1 << KIND_BITS) - 1
BEFORE_CALLS = 1 << 62  # taken from the order of timers and servers: at one instant they precede calls


@state
class Event:
    at_s: float = inf
    order: Wide = 0
    entry: int = 0  # number of the slot, timer or request, and the kind
    ticket: int = 0


EVENT = dtype_of(Event)


@jitable
def push(e: Any, at_s: float, kind: int, number: int, ticket: int) -> None:
    """Set an event. A call has one at most: the present one, void by now, gives its place."""
    if at_s < inf:
        loop = e.loop
        loop.order += 1
        order = loop.order - BEFORE_CALLS if kind == TIMER else loop.order
        place = e.places[number] if kind == CALL else NOBODY
        if place == NOBODY:
            place = loop.events
            loop.events += 1
        elif e.events[place].at_s <= at_s:
            place = sink(e, place, loop.events)
        rise(e, place, at_s, order, number << KIND_BITS | kind, ticket)


@jitable
def drop_first(e: Any) -> None:
    """The hole sinks to the bottom; the last event fills it and rises."""
    events, last = e.events, e.loop.events - 1
    e.loop.events = last
    if events[0].entry & KIND == CALL:
        e.places[events[0].entry >> KIND_BITS] = NOBODY
    moved = events[last]
    at_s, order, entry, ticket = moved.at_s, moved.order, moved.entry, moved.ticket
    moved.at_s = inf
    if last > 0:
        rise(e, sink(e, 0, last), at_s, order, entry, ticket)


@jitable
def rise(e: Any, place: int, at_s: float, order: int, entry: int, ticket: int) -> None:
    """Put an event into the free place, or above it."""
    events = e.events
    while place > 0:
        above = (place - 1) >> 2
        parent = events[above]
        if parent.at_s < at_s or (parent.at_s == at_s and parent.order < order):
            break
        put(e, place, parent.at_s, parent.order, parent.entry, parent.ticket)
        place = above
    put(e, place, at_s, order, entry, ticket)


@jitable
def sink(e: Any, place: int, count: int) -> int:
    """Where the free place is when the earlier of what is below have moved up."""
    events = e.events
    below = 4 * place + 1
    while below < count:
        left = below + is_earlier(events[below + 1], events[below])
        right = below + 2 + is_earlier(events[below + 3], events[below + 2])
        first = right if is_earlier(events[right], events[left]) else left
        put(e, place, events[first].at_s, events[first].order, events[first].entry, events[first].ticket)
        place, below = first, 4 * first + 1
    return place


@jitable
def is_earlier(event: Any, other: Any) -> int:
    return int(event.order < other.order if event.at_s == other.at_s else event.at_s < other.at_s)


@jitable
def put(e: Any, place: int, at_s: float, order: int, entry: int, ticket: int) -> None:
    event = e.events[place]
    event.at_s, event.order, event.entry, event.ticket = at_s, order, entry, ticket
    if entry & KIND == CALL:
        e.places[entry >> KIND_BITS] = place


def no_events(room: int) -> np.ndarray:
    """Places behind the last event hold times that never come: three of them are looked at."""
    events = np.empty(room, EVENT)
    events["at_s"] = inf
    return events


def no_places(slots: int) -> np.ndarray:
    return np.full(slots, NOBODY, np.int32)


def first_events(timers: int, numbers: np.ndarray, times_s: np.ndarray, room: int) -> np.ndarray:
    """The stages' timers at time zero, and the sending of requests that wait for no answer; in the order of time, as a heap may be.

    ``numbers``, ``times_s``: of those requests. ``room``: for more events.
    """
    count = timers + len(numbers)
    events = no_events(room + 2 * count)
    first = events[:count]
    first["at_s"] = np.concatenate([np.zeros(timers), times_s])
    first["order"] = np.arange(1, count + 1)
    first["order"][:timers] -= BEFORE_CALLS
    first["entry"] = np.concatenate([np.arange(timers) << KIND_BITS | TIMER, numbers << KIND_BITS | SEND])
    first["ticket"] = 0
    first[:] = first[np.argsort(first["at_s"], kind="stable")]
    return events
