"""Admission to service: a bounded number at once, a bounded line behind them, first come first served within each priority."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from sim.scenario.model import HIGHEST_PRIORITY, Queue

IN_SERVICE, IN_LINE, NO_ROOM = 0, 1, 2


class Ticket:
    """A place in a line. ``granted`` once its turn has come; ``left`` once its holder gave up. ``waker`` belongs to the world."""

    __slots__ = ("granted", "left", "timer", "waker")

    def __init__(self) -> None:
        self.granted = False
        self.left = False
        self.waker: Any = None
        self.timer: Any = None


AT_ONCE = Ticket()
AT_ONCE.granted = True
"""The ticket of everybody who need not wait."""


class Admission:
    """``in_service`` of ``concurrency`` slots taken; ``waiting`` of ``capacity`` places taken, all lines together.

    There is one line for each of ``priorities``, highest first; ``line_of[p]`` is the line that priority p joins: its own, else the
    next below, else the last. ``waited_s`` is ∫ waiting dt up to ``at_s``, in request-seconds.
    """

    __slots__ = ("at_s", "capacity", "concurrency", "in_service", "line_of", "lines", "timeout_s", "waited_s", "waiting")

    def __init__(self, config: Queue, priorities: Iterable[int] = (0,)) -> None:
        self.concurrency = float("inf") if config.concurrency == "unlimited" else config.concurrency
        self.capacity = float("inf") if config.waiting == "unlimited" else config.waiting
        self.timeout_s = float("inf") if config.timeout is None else config.timeout
        self.in_service = 0
        self.waiting = 0
        levels = sorted(set(priorities), reverse=True)
        self.lines: tuple[deque[Ticket], ...] = tuple(deque() for _ in levels)
        self.line_of = [sum(level > priority for level in levels[:-1]) for priority in range(HIGHEST_PRIORITY + 1)]
        self.waited_s = 0.0
        self.at_s = 0.0

    def __repr__(self) -> str:
        return f"<Admission {self.in_service} of {self.concurrency} in service, {self.waiting} waiting>"


def enter(admission: Admission, now_s: float, priority: int = 0) -> Ticket | None:
    """A granted ticket, one to wait with, or None when the line is full."""
    place = take_place(admission, now_s)
    if place == IN_SERVICE:
        return AT_ONCE
    if place == NO_ROOM:
        return None
    ticket = Ticket()
    admission.lines[admission.line_of[priority]].append(ticket)
    return ticket


def leave(admission: Admission, ticket: Ticket, now_s: float) -> Ticket | None:
    """Give back a slot, or a place in the line. Returns the ticket whose turn has come, now granted, to be woken."""
    if not ticket.granted:
        ticket.left = True
        change_waiting(admission, now_s, -1)
        return None
    if not pass_on(admission, now_s):
        return None
    for line in admission.lines:
        while line:
            following = line.popleft()
            if not following.left:
                following.granted = True
                return following
    raise AssertionError("somebody waits, but in no line")


def take_place(admission: Admission, now_s: float) -> int:
    """IN_SERVICE and a slot taken, IN_LINE and a place to wait taken, or NO_ROOM."""
    if admission.in_service < admission.concurrency:
        admission.in_service += 1
        return IN_SERVICE
    if admission.waiting >= admission.capacity:
        return NO_ROOM
    change_waiting(admission, now_s, 1)
    return IN_LINE


def pass_on(admission: Admission, now_s: float) -> bool:
    """Give back a slot: True if it goes to the first in line, who waits no more."""
    if admission.waiting == 0:
        admission.in_service -= 1
        return False
    change_waiting(admission, now_s, -1)
    return True


def change_waiting(admission: Admission, now_s: float, by: int) -> None:
    admission.waited_s += admission.waiting * (now_s - admission.at_s)
    admission.at_s = now_s
    admission.waiting += by
