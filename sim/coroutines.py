"""Coroutines on SimPy's clock.

``CoroutineEnvironment`` is a ``simpy.Environment`` in which a coroutine that awaits a plain delay costs one heap entry and no Event,
Timeout or Process object. Native SimPy processes (samplers, scaling, faults with a life of their own) run beside them as ever.
Simultaneous entries run native events first, then coroutines in the order in which they were scheduled.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from heapq import heappop, heappush
from types import coroutine
from typing import Any

import simpy

from sim.policy.admission import Ticket

INFINITY = float("inf")
LIFE, TIMER = 7, 8  # priorities beyond SimPy's own URGENT (0) and NORMAL (1)
NEVER = INFINITY, TIMER + 1, 0


class Life:
    """A coroutine under way, and when whoever it serves will leave."""

    __slots__ = ("leaves_s", "leaving", "on_end", "steps")

    def __init__(self, steps: Coroutine[Any, Any, Any], leaves_s: float = INFINITY, on_end: Callable[[], None] | None = None) -> None:
        self.steps = steps
        self.leaves_s = leaves_s
        self.leaving = False
        self.on_end = on_end

    def cancel(self) -> None:
        """Close it where it waits; what it has in the queue will find it closed."""
        self.leaving = True
        self.steps.close()

    def ended(self) -> None:
        """It has come to its end, or was closed because its client left."""
        if self.on_end is not None:
            self.on_end()


class CoroutineEnvironment(simpy.Environment):
    """Adds entries (time, LIFE, id, life) and (time, TIMER, id, ticket) to SimPy's own queue."""

    current: Life | None = None
    now_s = 0.0  # SimPy's ``now``, without the price of a property
    _queue: list[Any]  # SimPy's (time, priority, id, event), and ours

    def resume(self, life: Life) -> None:
        """Run a life until it waits again, or ends, or its client leaves."""
        if life.leaving:
            life.steps.close()
            life.ended()
            return
        self.current = life
        try:
            delay_s = life.steps.send(None)
        except StopIteration:
            life.ended()
            return
        if delay_s is not None:  # else parked: whoever holds its ticket will wake it
            at_s = self.now_s + delay_s
            if at_s > life.leaves_s:
                at_s = life.leaves_s
                life.leaving = True
            heappush(self._queue, (at_s, LIFE, next(self._eid), life))

    def start(self, life: Life) -> None:
        """Run a new life at once, inside the life that starts it."""
        starter = self.current
        self.resume(life)
        self.current = starter

    def park(self, ticket: Ticket, timeout_s: float) -> None:
        """The current life waits for ``ticket``, until it times out or the client leaves."""
        life = self.current
        assert life is not None, "only a life can wait"
        ticket.waker = life
        until_s = self.now_s + timeout_s
        if until_s >= life.leaves_s:
            until_s = life.leaves_s
            life.leaving = True
        if until_s < INFINITY:
            heappush(self._queue, (until_s, TIMER, next(self._eid), ticket))

    def wake(self, ticket: Ticket) -> None:
        """Resume the life parked on ``ticket`` at the current time, after what is already due."""
        life, ticket.waker = ticket.waker, None
        if life is not None:
            life.leaving = False
            heappush(self._queue, (self.now_s, LIFE, next(self._eid), life))

    def step(self) -> None:
        queue = self._queue
        if not queue or queue[0][1] < LIFE:
            if queue:
                self.now_s = queue[0][0]
            super().step()
            return
        self._now, priority, _, entry = heappop(queue)
        self.now_s = self._now
        if priority == LIFE:
            self.resume(entry)
        elif entry.waker is not None:  # a ticket nobody woke in time
            life, entry.waker = entry.waker, None
            self.resume(life)

    def run_dry(self, arrivals: Iterator[float] | None = None) -> None:
        """Until nothing is left to happen: ``step`` again and again, with ``resume`` written out.

        ``arrivals`` brings something in at each of its turns and yields the seconds until the next one. That has no place in the heap,
        through which it would have to pass every time.
        """
        queue, eid = self._queue, self._eid
        delay_s: float | None
        while True:
            delay_s = next(arrivals, None) if arrivals is not None else None
            due = NEVER if delay_s is None else (self.now_s + delay_s, LIFE, next(eid))
            while queue and queue[0] < due:
                if queue[0][1] < LIFE:
                    self.step()
                    continue
                self._now, priority, _, life = heappop(queue)
                self.now_s = self._now
                if priority == TIMER:  # of a ticket: if nobody woke its holder in time, it goes on
                    ticket, life = life, life.waker
                    if life is None:
                        continue
                    ticket.waker = None
                if life.leaving:
                    life.steps.close()
                    life.ended()
                    continue
                self.current = life
                try:
                    delay_s = life.steps.send(None)
                except StopIteration:
                    life.ended()
                    continue
                if delay_s is not None:
                    at_s = self.now_s + delay_s
                    if at_s > life.leaves_s:
                        at_s = life.leaves_s
                        life.leaving = True
                    heappush(queue, (at_s, LIFE, next(eid), life))
            if due is NEVER:
                return
            self._now = self.now_s = due[0]


@coroutine
def pause(delay_s: float) -> Iterator[float]:
    yield delay_s


@coroutine
def park(env: CoroutineEnvironment, ticket: Ticket, timeout_s: float = INFINITY) -> Iterator[None]:
    """Wait until ``ticket`` is woken, or time is up."""
    env.park(ticket, timeout_s)
    yield None
