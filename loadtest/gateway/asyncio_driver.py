"""Real time: the chain inside an asyncio service. ``await driver.serve(…)`` is one request; cancel it, and its client has left.

The driver knows no sockets: attempts are performed by objects that it is given. The gateway's server speaks HTTP, the equivalence test
plays the simulated providers' plans on a virtual clock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf, nan
from time import monotonic
from typing import Any, Protocol

from loadtest.gateway.agenda import TIMER, Agenda
from sim.data.outcomes import ERROR
from sim.data.statuses import CANCELLED, REFUSED, STREAMING, TIMED_OUT
from sim.gateway import chain
from sim.gateway.call import PERFORM
from sim.gateway.hooks import free_slot, take_slot, whole
from sim.gateway.stages.hedge import ended as fork_ended
from sim.gateway.stages.jobs import is_accepted
from sim.gateway.stages.upstream import settle
from sim.kernel.containers import NOBODY, remove, take_ready
from sim.kernel.refusals import NOT_REFUSED

log = logging.getLogger("tenfold.gateway")


class Attempt(Protocol):
    """One attempt of a call, at ``c.target`` with the key ``c.key``, which has begun.

    It leaves its facts on the call: billed_tokens, produced_tokens, attempt_cached, retry_after_s, attempt_refused_by.
    """

    async def run(self) -> int:
        """Its status; OSError counts as REFUSED. Calls ``driver.show`` at the first content."""

    def cut(self) -> None:
        """It is over before its end: the facts so far. ``run`` is cancelled afterwards, or is never called."""


def live_call_class(g: Any) -> Any:
    """``chain.call_class`` with what belongs to a request under way in real time.

    ``exchange``: the server's own, also that of its forks. ``under_way``: its attempt, with the ``task`` that runs it. ``waiter``: the
    future that ``serve`` awaits. ``broke``: a stage or an attempt of it has raised.
    """
    return type("LiveCall", (chain.call_class(g),), {"__slots__": ("broke", "ended", "exchange", "task", "under_way", "waiter")})


class AsyncioDriver:
    """``g`` in real time. ``begin(driver, c)`` begins an attempt; ``call_ended`` and ``attempt_ended`` are given each call at these times.

    ``clock`` counts seconds; the run starts now, or when ``start_clock`` says. To be made inside the running loop.
    """

    def __init__(
        self, g: Any, begin: Callable[[AsyncioDriver, Any], Attempt], call_ended: Callable[[Any], None],
        attempt_ended: Callable[[Any], None], clock: Callable[[], float] = monotonic,
    ) -> None:  # fmt: skip
        self.g = g
        self.begin = begin
        self.on_call_ended, self.on_attempt_ended = call_ended, attempt_ended
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self.call = live_call_class(g)
        self.start_s, self.latest_s = clock(), -inf
        self.agenda = Agenda(self.loop, self.now_s, self.ring)
        for number in range(len(g.timers)):
            self.agenda.add_timer(0.0, number)

    # ---- requests
    async def serve(self, exchange: Any, **request: Any) -> Any:
        """The ended call, or one that was accepted as a job and goes on. ``request`` has fields of ``chain.Request``: user, prompt
        and other keys may be anything hashable.
        """
        now_s = self.now_s()
        self.run_due(now_s)
        g = self.g
        slot = take_slot(g)
        c = g.calls[slot] = self.call(arrival_s=now_s, slot=slot, **request)
        c.exchange, c.task, c.waiter, c.ended, c.broke = exchange, None, None, False, False
        try:
            verdict = chain.start(g, c, now_s)
        except Exception:
            verdict = self.abort(c, now_s)
        self.obey(c, verdict, now_s)
        self.go_on_ready(now_s)
        if not c.ended and not is_accepted(c):
            c.waiter = self.loop.create_future()
            try:
                await c.waiter
            except asyncio.CancelledError:
                if not c.ended and not is_accepted(c):
                    self.client_left(c)
                raise
        return c

    def client_left(self, c: Any) -> None:
        c.leaves_s = now_s = self.now_s()
        self.resume(c, now_s)
        self.go_on_ready(now_s)

    # ---- events
    def resume(self, c: Any, now_s: float) -> None:
        """The call was woken, or its time has come, or its attempt has news."""
        if c.performing and now_s >= c.leaves_s:
            self.cut(c, CANCELLED, now_s)
        try:
            verdict = chain.resume(self.g, c, now_s)
        except Exception:
            verdict = self.abort(c, now_s)
        self.obey(c, verdict, now_s)

    def go_on(self, c: Any, ticket: int) -> None:
        """What the call has waited for since it had this ticket has come; without effect on one that has gone on meanwhile."""
        if c.ticket == ticket:
            now_s = self.now_s()
            self.resume(c, now_s)
            self.go_on_ready(now_s)

    def obey(self, c: Any, verdict: int, now_s: float) -> None:
        if verdict >= 0:
            self.call_ended(c, now_s)
            return
        if verdict == PERFORM:
            self.perform(c)
        self.agenda.add(min(c.until_s, c.leaves_s), c)
        if c.waiter is not None and is_accepted(c) and not c.waiter.done():
            c.waiter.set_result(None)

    def go_on_ready(self, now_s: float) -> None:
        """What the present event has brought about goes on before the next event."""
        g = self.g
        while True:
            if g.leavers.count:
                self.end_leaving(now_s)
            elif g.ready.length:
                self.resume(take_ready(g), now_s)
            else:
                return

    def end_leaving(self, now_s: float) -> None:
        g = self.g
        while g.leavers.count:
            g.leavers.count -= 1
            c = g.calls[g.leaving[g.leavers.count]]
            if c.is_back:
                continue
            if c.performing:
                self.cut(c, CANCELLED, now_s)
            try:
                chain.depart(g, c, now_s)
            except Exception:
                self.abort(c, now_s)
            self.call_ended(c, now_s)

    def call_ended(self, c: Any, now_s: float) -> None:
        g = self.g
        if g.leavers.count:  # its forks: what they cost is its own
            self.end_leaving(now_s)
        if c.parent != NOBODY:
            fork_ended(g, c)
            return
        c.ended = True
        try:
            self.on_call_ended(c)
        except Exception:
            log.exception("request %d has no row", c.request)
        free_slot(g, c.slot)
        if c.waiter is not None and not c.waiter.done():
            c.waiter.set_result(None)

    def abort(self, c: Any, now_s: float) -> int:
        """A stage has raised: the request is an error, told and logged, and out of all stages. It must not take its neighbours along."""
        log.exception("request %d broke the gateway at %.3f s", c.request, now_s)
        g = self.g
        c.broke = True
        if c.performing:
            self.cut(c, CANCELLED, now_s)
        if c.is_ready:
            remove(g.calls, g.ready, c.slot)
            c.is_ready = False
        c.ticket += 1
        c.outcome, c.decided_by = ERROR, c.stage
        while c.stage > c.floor:
            try:
                chain.leave(g, c, now_s)
            except Exception:
                log.exception("request %d cannot be taken out of stage %d", c.request, c.stage)
            c.stage -= 1
        return chain.end(c, now_s)

    # ---- attempts
    def perform(self, c: Any) -> None:
        c.performing = True
        c.attempt_first_s = c.retry_after_s = nan
        c.billed_tokens = c.produced_tokens = c.attempt_cached = 0
        c.attempt_refused_by = NOT_REFUSED
        attempt = c.under_way = self.begin(self, c)
        c.task = self.loop.create_task(self.carry_out(c, attempt))

    async def carry_out(self, c: Any, attempt: Attempt) -> None:
        try:
            status = await attempt.run()
        except OSError:
            status = REFUSED
        except Exception:
            log.exception("an attempt of request %d broke", c.request)
            status, c.broke = REFUSED, True
        if c.under_way is not attempt:
            return  # it was cut, and did not mind
        now_s = self.now_s()
        c.status = status
        self.attempt_ended(c, now_s)
        self.resume(c, now_s)
        self.go_on_ready(now_s)

    def connecting(self, c: Any) -> None:
        """A connection is set up for the call's attempt, which has no time for its first content meanwhile."""
        whole(self.g, c).new_connections += 1
        self.rearm(c, c.end_by_s)

    def connected(self, c: Any) -> None:
        """The attempt's own time begins only now."""
        now_s = self.now_s()
        took_s = now_s - c.attempt_started_s
        c.connect_s += took_s
        c.attempt_started_s = now_s
        c.first_by_s += took_s
        self.rearm(c, min(c.first_by_s, c.end_by_s))

    def rearm(self, c: Any, until_s: float) -> None:
        """The call's attempt may last until then, instead of what it was told before."""
        c.ticket += 1
        self.agenda.add(min(until_s, c.leaves_s), c)

    def show(self, c: Any) -> None:
        """The first content of the call's attempt has come. From now on it may last until ``c.end_by_s``. Of two attempts side by side this
        one has won if ``c.wins`` afterwards.
        """
        now_s = self.now_s()
        c.attempt_first_s = now_s - c.attempt_started_s
        c.until_s = c.end_by_s
        if c.parent != NOBODY and c.streams:
            c.status = STREAMING
            self.resume(c, now_s)
            self.go_on_ready(now_s)
        elif c.first_by_s < c.end_by_s:
            self.rearm(c, c.end_by_s)

    def cut(self, c: Any, status: int, now_s: float) -> None:
        """The attempt is over: its time is up, or its client has left, or another attempt was faster."""
        c.under_way.cut()
        c.task.cancel()
        c.status = status
        self.attempt_ended(c, now_s)

    def attempt_ended(self, c: Any, now_s: float) -> None:
        c.performing, c.task, c.under_way = False, None, None
        c.attempt_s = now_s - c.attempt_started_s
        settle(self.g, c)
        self.on_attempt_ended(c)

    # ---- time
    def now_s(self) -> float:
        """Seconds since the start of the run; never less than at the last event."""
        now_s = self.clock() - self.start_s
        return now_s if now_s > self.latest_s else self.latest_s

    def start_clock(self, ago_s: float) -> None:
        """The run has started ``ago_s`` seconds ago (in the future, if negative)."""
        self.start_s, self.latest_s = self.clock() - ago_s, -inf
        self.agenda.drop_timers()
        for number in range(len(self.g.timers)):
            self.agenda.add_timer(0.0, number)
        self.agenda.set_alarm()

    def ring(self) -> None:
        self.run_due(self.now_s())

    def run_due(self, now_s: float) -> None:
        """What is due by now, in the order of its time; but it happens now."""
        while (due := self.agenda.take(now_s)) is not None:
            at_s, _, entry, ticket = due
            if at_s > now_s:
                now_s = self.latest_s = at_s
            if ticket == TIMER:
                self.tick(entry, now_s)
            else:
                if entry.performing and now_s < entry.leaves_s:
                    self.cut(entry, TIMED_OUT, now_s)
                self.resume(entry, now_s)
            self.go_on_ready(now_s)

    def tick(self, number: int, now_s: float) -> None:
        try:
            self.agenda.add_timer(chain.tick(self.g, number, now_s), number)
        except Exception:
            log.exception("the timer of a stage broke at %.3f s and is not set again", now_s)
