"""A server that its requests share: the more of them, the slower each. Continuous batching, and processor sharing.

All requests in service run at the same speed, so one clock of work done serves them all (as in fair queueing's virtual time): it runs at
``speed`` with n in service, and a request that needs so much work ends when the clock has moved on by that much. Those who wait for the
clock are a binary heap of slots, least (mark, order) first, in which every call knows its place.

A server is a timer with a ticket. Whoever drives it takes servers from ``p.rearmed`` with ``rearm`` after every event, sets an event
(due_s, server, ticket), and calls ``server_due`` when it comes with the server's present ticket.
"""

from __future__ import annotations

from math import inf
from typing import Any

from sim.kernel.containers import NOBODY, append, put, take_first, wake


def speed(server: Any) -> float:
    """Of each request in service, relative to the times that the scenario gives."""
    n = server.in_service
    shared: float = min(1.0, server.parallel / n) if n > 0 else 1.0
    return shared / (1.0 + server.slowdown * n)


def advance(server: Any, now_s: float) -> None:
    server.work_s += (now_s - server.at_s) * speed(server)
    server.at_s = now_s


def enter(p: Any, number: int, now_s: float) -> bool:
    """Into service, slowing the others; False if all slots are taken."""
    server = p.servers[number]
    if server.in_service >= server.slots:
        return False
    advance(server, now_s)
    server.in_service += 1
    change(p, number)
    return True


def leave(p: Any, c: Any, now_s: float) -> None:
    """Out of service, whatever the call still waits for."""
    if c.mark_place != NOBODY:
        unmark(p, c)
    server = p.servers[c.server]
    advance(server, now_s)
    server.in_service -= 1
    change(p, c.server)


def change(p: Any, number: int) -> None:
    """Somebody came, went, or waits for another mark: the next one is due at another time."""
    server = p.servers[number]
    if not server.rearming:
        server.rearming = True
        append(p.servers, p.rearmed, number)


def rearm(p: Any) -> int:
    """The first server of ``p.rearmed``, taken out, with ``due_s`` and ``ticket`` of its next event (inf: it has none)."""
    number: int = take_first(p.servers, p.rearmed)
    server = p.servers[number]
    server.rearming = False
    server.ticket += 1
    server.due_s = inf
    if server.waiting > 0:
        first = p.calls[p.marks[number][0]]
        server.due_s = server.at_s + max(0.0, (first.mark_work_s - server.work_s) / speed(server))
    return number


def server_due(p: Any, number: int, now_s: float) -> None:
    """The next mark is reached, which rounding must not put off: wake all calls whose mark is."""
    server = p.servers[number]
    advance(server, now_s)
    heap = p.marks[number]
    if server.waiting > 0:
        server.work_s = max(server.work_s, p.calls[heap[0]].mark_work_s)
    while server.waiting > 0:
        c = p.calls[heap[0]]
        if c.mark_work_s > server.work_s:
            break
        unmark(p, c)
        wake(p, c)
    change(p, number)


# ---- the heap of marks


def mark(p: Any, c: Any, work_s: float) -> None:
    """The call waits until its server's clock has moved on by ``work_s``. (The server has just been advanced.)"""
    server = p.servers[c.server]
    server.order += 1
    c.mark_work_s = server.work_s + work_s
    c.mark_order = server.order
    server.waiting += 1
    rise(p, p.marks[c.server], server.waiting - 1, c)
    change(p, c.server)


def unmark(p: Any, c: Any) -> None:
    """The last of the heap takes the place of the call."""
    server, heap = p.servers[c.server], p.marks[c.server]
    server.waiting -= 1
    last, place = p.calls[heap[server.waiting]], c.mark_place
    c.mark_place = NOBODY
    if last.slot == c.slot:
        return
    if place > 0 and is_earlier(last, p.calls[heap[(place - 1) >> 1]]):
        rise(p, heap, place, last)
    else:
        sink(p, heap, place, server.waiting, last)


def is_earlier(c: Any, other: Any) -> bool:
    return bool(c.mark_work_s < other.mark_work_s or (c.mark_work_s == other.mark_work_s and c.mark_order < other.mark_order))


def rise(p: Any, heap: Any, place: int, c: Any) -> None:
    """Put a call into the free place, or above it."""
    while place > 0:
        above = p.calls[heap[(place - 1) >> 1]]
        if not is_earlier(c, above):
            break
        settle(heap, place, above)
        place = (place - 1) >> 1
    settle(heap, place, c)


def sink(p: Any, heap: Any, place: int, count: int, c: Any) -> None:
    """Put a call into the free place, or below it."""
    below = 2 * place + 1
    while below < count:
        if below + 1 < count and is_earlier(p.calls[heap[below + 1]], p.calls[heap[below]]):
            below += 1
        other = p.calls[heap[below]]
        if not is_earlier(other, c):
            break
        settle(heap, place, other)
        place, below = below, 2 * below + 1
    settle(heap, place, c)


def settle(heap: Any, place: int, c: Any) -> None:
    put(heap, place, c.slot)
    c.mark_place = place
