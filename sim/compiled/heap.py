"""The queue of events: a binary heap of (time, order, what), least first. ``order`` breaks ties as the SimPy world's queue does."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from sim.compiled.kernel import inlined
from sim.compiled.prefetch import ask_for

TIMER = 1 << 62  # added to the order of a timer: among simultaneous events timers come last
MANY = 1024  # events: fewer stay in the caches anyway
SLOT_BITS = 32
SLOT = (1 << SLOT_BITS) - 1
INFINITY = math.inf


@njit
def push(e: Any, at_s: float, order: int, what: int) -> None:
    w, heap = e.world[0], e.heap
    place = w.heap_size
    w.heap_size = place + 1
    rise(heap, place, at_s, order, what)


@inlined
def rise(heap: Any, place: int, at_s: float, order: int, what: int) -> None:
    """Put an event into the free ``place``, or above it."""
    while place > 0:
        parent = heap[(place - 1) >> 1]
        if parent.at_s < at_s or (parent.at_s == at_s and parent.order < order):
            break
        put(heap[place], parent.at_s, parent.order, parent.what)
        place = (place - 1) >> 1
    put(heap[place], at_s, order, what)


@inlined
def pop(e: Any) -> int:
    """Removes the first event; returns ``what``.

    The hole sinks to the bottom before the last event fills it: which child moves up is computed, for no processor could guess it.
    """
    w, heap = e.world[0], e.heap
    first = heap[0].what
    last = w.heap_size - 1
    w.heap_size = last
    place, below = 0, 1
    while below < last:
        left, right = heap[below], heap[below + 1]
        below += right.order < left.order if right.bits == left.bits else right.bits < left.bits
        lesser = heap[below]
        put(heap[place], lesser.at_s, lesser.order, lesser.what)
        place, below = below, 2 * below + 1
        if last > MANY:
            ask_for(heap, 2 * below + 1)
            ask_for(heap, 2 * below + 3)
    if place < last:
        moved = heap[last]
        rise(heap, place, moved.at_s, moved.order, moved.what)
    return first


@inlined
def put(event: Any, at_s: float, order: int, what: int) -> None:
    event.at_s, event.order, event.what = at_s, order, what


@inlined
def next_order(e: Any) -> int:
    w = e.world[0]
    w.order += 1
    return w.order


@inlined
def sleep(e: Any, slot: int, delay_s: float) -> None:
    """The life in ``slot`` goes on after ``delay_s``, or leaves when its client does."""
    w, life = e.world[0], e.lives[slot]
    at_s = w.now_s + delay_s
    if e.has_departures and at_s > life.leaves_s:
        at_s = life.leaves_s
        life.leaving = True
    push(e, at_s, next_order(e), slot)


@inlined
def park(e: Any, slot: int, timeout_s: float) -> None:
    """The life in ``slot`` waits to be woken, until it times out or its client leaves."""
    w, life = e.world[0], e.lives[slot]
    w.tickets = (w.tickets + 1) & 0x3FFF_FFFF
    life.ticket = w.tickets + 1  # never 0, which means that nobody is parked
    life.granted = False
    until_s = w.now_s + timeout_s
    if e.has_departures and until_s >= life.leaves_s:
        until_s = life.leaves_s
        life.leaving = True
    if until_s < INFINITY:
        push(e, until_s, next_order(e) + TIMER, slot | (life.ticket << SLOT_BITS))


@inlined
def wake(e: Any, slot: int) -> None:
    """The parked life in ``slot`` goes on now, after what is already due."""
    life = e.lives[slot]
    life.ticket = 0
    life.leaving = False
    life.granted = True
    push(e, e.world[0].now_s, next_order(e), slot)
