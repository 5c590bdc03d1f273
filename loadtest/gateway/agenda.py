"""What is due when, in real time: entries in one order, and one alarm of the event loop's for the first of them.

The loop's own timers keep no order among those due at one time, and a timer for each wait costs more than it is worth: most are void when
their time comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Any

TIMER = -1  # a ticket that no call has: the entry is the number of a stage's timer
FIRST = -(2**62)  # such timers precede calls at the same instant
SPARE = 1024
UVLOOP_ROUNDS_S = 0.0005  # its timers are rounded to milliseconds, so that they may ring early by half of one; asyncio's to a nanosecond
ASYNCIO_ROUNDS_S = 1e-9

Entry = tuple[float, int, Any, int]  # time, order, call or number of a timer, ticket


def is_void(entry: Entry) -> bool:
    """The call has been resumed since."""
    return entry[3] != TIMER and entry[3] != entry[2].ticket


class Agenda:
    """``ring`` is called when the first entry is due. ``now_s`` gives the time of the run, in seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, now_s: Callable[[], float], ring: Callable[[], None]) -> None:
        self.loop, self.now_s, self.ring = loop, now_s, ring
        self.early_s = ASYNCIO_ROUNDS_S if isinstance(loop, asyncio.BaseEventLoop) else UVLOOP_ROUNDS_S
        self.entries: list[Entry] = []
        self.order = count()
        self.most = SPARE
        self.alarm: asyncio.TimerHandle | None = None
        self.alarm_s = inf

    def add(self, at_s: float, c: Any) -> None:
        """The call's time is up then, unless it is resumed before."""
        if at_s < inf:
            self.push((at_s, next(self.order), c, c.ticket))

    def add_timer(self, at_s: float, number: int) -> None:
        if at_s < inf:
            self.push((at_s, FIRST + number, number, TIMER))

    def drop_timers(self) -> None:
        self.entries = [entry for entry in self.entries if entry[3] != TIMER]
        heapify(self.entries)

    def push(self, entry: Entry) -> None:
        heappush(self.entries, entry)
        if len(self.entries) > self.most:
            self.forget_void()
        if entry[0] < self.alarm_s:
            self.set_alarm()

    def take(self, now_s: float) -> Entry | None:
        """The first entry that is due by now, taken out. Its time may be later by as much as the loop's timers are inexact."""
        by_s = now_s + self.early_s
        while self.entries and self.entries[0][0] <= by_s:
            entry = heappop(self.entries)
            if not is_void(entry):
                return entry
        return None

    def set_alarm(self) -> None:
        """For the first entry that is not void."""
        while self.entries and is_void(self.entries[0]):
            heappop(self.entries)
        if self.alarm is not None:
            self.alarm.cancel()
        self.alarm, self.alarm_s = None, inf
        if self.entries:
            self.alarm_s = self.entries[0][0]
            self.alarm = self.loop.call_later(max(0.0, self.alarm_s - self.now_s()), self.rung)

    def rung(self) -> None:
        self.alarm, self.alarm_s = None, inf
        self.ring()
        self.set_alarm()

    def forget_void(self) -> None:
        """Most calls end long before their time is up. Their entries would keep them in memory until then."""
        self.entries = [entry for entry in self.entries if not is_void(entry)]
        heapify(self.entries)
        self.most = 2 * len(self.entries) + SPARE
