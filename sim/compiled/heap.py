"""The queue of events: a binary heap of (time, order, what), least first. ``order`` breaks ties as the SimPy world's queue does."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from sim.compiled.kernel import inlined

TIMER = 1 << 62  # added to the order of a timer: among simultaneous events timers come last
SLOT_BITS = 32
INFINITY = math.inf


@njit
def push(e: Any, at_s: float, order: int, what: int) -> None:
    w = e.world[0]
    place = w.heap_size
    w.heap_size = place + 1
    at, orders, whats = e.heap_at, e.heap_order, e.heap_what
    while place > 0:
        parent = (place - 1) >> 1
        if at[parent] < at_s or (at[parent] == at_s and orders[parent] < order):
            break
        at[place], orders[place], whats[place] = at[parent], orders[parent], whats[parent]
        place = parent
    at[place], orders[place], whats[place] = at_s, order, what


@njit
def pop(e: Any) -> int:
    """Removes the first event; returns ``what``."""
    w = e.world[0]
    at, orders, whats = e.heap_at, e.heap_order, e.heap_what
    first = whats[0]
    size = w.heap_size - 1
    w.heap_size = size
    at_s, order, what = at[size], orders[size], whats[size]
    place, below = 0, 1
    while below < size:
        right = below + 1
        if right < size and (at[right] < at[below] or (at[right] == at[below] and orders[right] < orders[below])):
            below = right
        if at_s < at[below] or (at_s == at[below] and order < orders[below]):
            break
        at[place], orders[place], whats[place] = at[below], orders[below], whats[below]
        place, below = below, 2 * below + 1
    at[place], orders[place], whats[place] = at_s, order, what
    return first


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
    if at_s > life.leaves_s:
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
    if until_s >= life.leaves_s:
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
