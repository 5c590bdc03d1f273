"""A server that its requests share: the more of them, the slower each. Continuous batching, and processor sharing.

All requests in service run at the same speed, so one clock of work done serves them all (as in fair queueing's virtual time): it
runs at ``speed(n)`` with n in service, and a request that needs so much work ends when the clock has moved on by that much.
Worlds call ``next_in_s`` after every change, and come back then.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import Any

from sim.scenario.model import Batching

INFINITY = float("inf")


class SharedServer:
    """``work_s`` is the clock of work done for each request at ``at_s``; ``marks`` are (clock, order, ticket) of those who wait for it."""

    __slots__ = ("at_s", "in_service", "marks", "order", "parallel", "slots", "slowdown", "work_s")

    def __init__(self, config: Batching) -> None:
        self.slots = INFINITY if config.slots == "unlimited" else config.slots
        self.parallel = INFINITY if config.parallel is None else config.parallel
        self.slowdown = config.slowdown
        self.in_service = 0
        self.work_s = 0.0
        self.at_s = 0.0
        self.marks: list[tuple[float, int, Any]] = []
        self.order = count()

    def __repr__(self) -> str:
        return f"<SharedServer {self.in_service} of {self.slots} at speed {speed(self):.3g}>"


def speed(server: SharedServer) -> float:
    """Of each request in service, relative to the times that the scenario gives."""
    n = server.in_service
    return min(1.0, server.parallel / n if n else 1.0) / (1.0 + server.slowdown * n)


def advance(server: SharedServer, now_s: float) -> None:
    server.work_s += (now_s - server.at_s) * speed(server)
    server.at_s = now_s


def enter(server: SharedServer, now_s: float) -> bool:
    """Into service, slowing the others; False if all slots are taken."""
    if server.in_service >= server.slots:
        return False
    advance(server, now_s)
    server.in_service += 1
    return True


def leave(server: SharedServer, now_s: float) -> None:
    advance(server, now_s)
    server.in_service -= 1


def mark(server: SharedServer, work_s: float, ticket: Any) -> None:
    """``ticket`` waits until the clock has moved on by ``work_s`` (of a server just advanced)."""
    heappush(server.marks, (server.work_s + work_s, next(server.order), ticket))


def next_in_s(server: SharedServer) -> float:
    """Seconds until the next mark is reached if nobody comes or goes. Tickets that have ``left`` are forgotten."""
    marks = server.marks
    while marks and marks[0][2].left:
        heappop(marks)
    return max(0.0, (marks[0][0] - server.work_s) / speed(server)) if marks else INFINITY


def reached(server: SharedServer, now_s: float) -> list[Any]:
    """Tickets whose mark is due now, when ``next_in_s`` said that one would be: rounding must not put it off."""
    advance(server, now_s)
    marks = server.marks
    if marks:
        server.work_s = max(server.work_s, marks[0][0])
    tickets = []
    while marks and marks[0][0] <= server.work_s:
        tickets.append(heappop(marks)[2])
    return tickets
