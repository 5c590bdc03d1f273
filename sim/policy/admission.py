"""Admission to service: a bounded number at once, a bounded first-come-first-served line behind them."""

from __future__ import annotations

from collections import deque
from typing import Any

from sim.scenario.model import Queue


class Ticket:
    """A place in a line. ``granted`` once its turn has come; ``left`` once its holder gave up. ``waker`` belongs to the world."""

    __slots__ = ("granted", "left", "timer", "waker")

    def __init__(self) -> None:
        self.granted = False
        self.left = False
        self.waker: Any = None
        self.timer: Any = None


class Admission:
    """``in_service`` of ``concurrency`` slots taken; ``waiting`` of ``capacity`` places in the line taken."""

    __slots__ = ("capacity", "concurrency", "in_service", "line", "timeout_s", "waiting")

    def __init__(self, config: Queue) -> None:
        self.concurrency = float("inf") if config.concurrency == "unlimited" else config.concurrency
        self.capacity = float("inf") if config.waiting == "unlimited" else config.waiting
        self.timeout_s = float("inf") if config.timeout is None else config.timeout
        self.in_service = 0
        self.waiting = 0
        self.line: deque[Ticket] = deque()

    def __repr__(self) -> str:
        return f"<Admission {self.in_service} of {self.concurrency} in service, {self.waiting} waiting>"


def enter(admission: Admission) -> Ticket | None:
    """A granted ticket, one to wait with, or None when the line is full."""
    if admission.in_service < admission.concurrency:
        admission.in_service += 1
        ticket = Ticket()
        ticket.granted = True
        return ticket
    if admission.waiting >= admission.capacity:
        return None
    ticket = Ticket()
    admission.waiting += 1
    admission.line.append(ticket)
    return ticket


def leave(admission: Admission, ticket: Ticket) -> Ticket | None:
    """Give back a slot, or a place in the line. Returns the ticket whose turn has come, now granted, to be woken."""
    if not ticket.granted:
        ticket.left = True
        admission.waiting -= 1
        return None
    while admission.line:
        following = admission.line.popleft()
        if not following.left:
            following.granted = True
            admission.waiting -= 1
            return following
    admission.in_service -= 1
    return None
