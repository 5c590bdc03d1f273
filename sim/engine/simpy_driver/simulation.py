"""Virtual time in Python: a ``simpy.Environment`` whose queue also holds calls. SimPy's own processes run beside them.

SimPy's queue is a heap of (time, priority, id, event). Calls have entries (time, CALL, id, call, ticket) in it: no Event, Timeout or
Process object for each wait. The control plane (stages' timers, the sampler) are native SimPy processes, which precede calls at an instant.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from heapq import heappop, heappush
from math import inf
from operator import attrgetter
from typing import Any

import simpy
from simpy.events import NORMAL, URGENT

from sim.data.outcomes import ABANDONED, FAILURES, OK
from sim.engine.row_log import RowLog
from sim.gateway import chain
from sim.gateway.call import CONTINUE, PERFORM
from sim.gateway.hooks import free_slot, take_slot
from sim.gateway.rows import ATTEMPT_FIELDS, ATTEMPTS, fields_of, requests_of
from sim.gateway.stages.hedge import ended as fork_ended
from sim.gateway.stages.upstream import settle
from sim.kernel.containers import NOBODY, take_ready
from sim.provider.processor_sharing import rearm, server_due
from sim.provider.simulated import cut, go_on, perform
from sim.workload.client_retries import Sendings, goes_on
from sim.workload.waiting import Waiting

SERVER, CALL = 6, 7  # priorities after SimPy's own URGENT (0) and NORMAL (1)
SEND, GIVE_UP = -1, -2  # tickets that no call has: a request is to be sent; its client waits no longer


def advance(g: Any, c: Any, now_s: float, verdict: int) -> int:
    """``chain.advance`` with its look-ups written out. Performance only: compiled code runs the original, and leaves the same rows."""
    path, stage, floor = g.path, c.stage, c.floor
    enters, leaves, rescues = path.enter, path.leave, path.rescue
    while True:
        if verdict == CONTINUE:
            stage += 1
            hook = enters[stage]
            if hook is not None:
                c.stage = stage
                verdict = hook(g, c, now_s)
        elif verdict < CONTINUE:
            c.stage = stage
            return verdict
        else:
            if verdict != c.outcome:
                c.outcome, c.decided_by = verdict, stage
            if not path.hold and (verdict < FAILURES or c.committed) and (not path.review or verdict != OK or c.committed):
                way_out = path.ways_out[stage]
                for hook in way_out if floor < 0 else way_out[: len(way_out) - len(path.ways_out[floor])]:
                    hook(g, c, now_s)
                c.stage = floor
                return chain.end(c, now_s)
            hook = leaves[stage]
            if hook is not None:
                hook(g, c, now_s)
            stage -= 1
            if stage == floor:
                c.stage = stage
                return chain.end(c, now_s)
            c.stage = stage
            if not c.committed:
                hook = rescues[stage] if verdict >= FAILURES else path.review[stage] if path.review and verdict == OK else None
                if hook is not None:
                    verdict = hook(g, c, now_s)
            if path.hold and verdict == c.outcome:
                verdict = chain.hold(g, c, now_s)


class Simulation(simpy.Environment):
    """A gateway ``g`` and its providers ``p`` on SimPy's clock. ``requests`` and ``attempts`` collect rows.

    ``entered`` calls have come in, ``left`` have gone out; ``area_s`` is the integral of the number inside over time, once all are out:
    the times at which calls went out less those at which they came in. Stages' timers go on until ``ends_s``, and after it as long as there
    are calls.
    """

    _queue: list[Any]  # SimPy's (time, priority, id, event), and ours

    def __init__(self, g: Any, p: Any, ends_s: float = inf) -> None:
        super().__init__()
        self.g, self.p = g, p
        self.ready, self.leavers, self.rearmed = g.ready, g.leavers, p.rearmed
        self.call = chain.call_class(g)
        self.now_s = 0.0  # SimPy's ``now``, without the price of a property
        self.ends_s = ends_s
        self.entered = self.left = self.sending = 0
        self.area_s = 0.0
        rows = requests_of(g)
        self.requests, self.attempts = RowLog(rows), RowLog(ATTEMPTS)
        self.take_request, self.take_attempt = attrgetter(*fields_of(rows)), attrgetter(*ATTEMPT_FIELDS)
        self.waiting: Waiting | None = None
        self.sendings = Sendings()
        self.gives_up_after_s = inf
        self.make: Callable[[int, float], Any] | None = None
        self.open: set[int] = set()  # requests whose clients wait for the answer
        for number in range(len(g.timers)):
            self.process(self.keep_time(number))

    def keep_time(self, number: int) -> Generator[simpy.Event, Any, None]:
        """The timer of a stage, a native SimPy process."""
        while self.now_s <= self.ends_s or self.left < self.entered or self.sending > 0:
            at_s = chain.tick(self.g, number, self.now_s)
            self.go_on_ready()
            if at_s == inf:
                return
            yield self.at(at_s)

    def at(self, at_s: float, first: bool = False) -> simpy.Event:
        """Exactly then, which ``timeout`` does not promise; ``first`` of all processes that go on then."""
        event = simpy.Event(self)
        event._ok, event._value = True, None
        heappush(self._queue, (at_s, URGENT if first else NORMAL, next(self._eid), event))
        return event

    # ---- clients
    def play(self, requests: Iterable[Any]) -> None:
        """Requests (fields of chain.Request) in the order of their arrival, until the last call has ended. What is due at the time of an
        arrival comes before it.
        """
        for request in requests:
            self.run_until(request[0])
            self._now = self.now_s = request[0]
            self.arrive(request)
        self.run_until(inf)

    def play_waiting(
        self, waiting: Waiting, make: Callable[[int, float], Any], gives_up_after_s: float, sendings: Sendings | None = None
    ) -> None:
        """Requests that wait for the answers to others. ``make(number, at_s)`` makes one that is sent now. A client whose call goes on
        without it gives up after ``gives_up_after_s``. ``sendings``: which of the others' outcomes they wait for; default: any.
        """
        self.waiting, self.make, self.gives_up_after_s = waiting, make, gives_up_after_s
        self.sendings = sendings or self.sendings
        numbers, times_s = waiting.first()
        for number, at_s in zip(numbers.tolist(), times_s.tolist(), strict=True):
            heappush(self._queue, (at_s, CALL, next(self._eid), number, SEND))
        self.sending = len(numbers)
        self.run_until(inf)

    def send(self, number: int) -> None:
        assert self.make is not None
        self.sending -= 1
        self.open.add(number)
        if self.gives_up_after_s < inf:
            heappush(self._queue, (self.now_s + self.gives_up_after_s, CALL, next(self._eid), number, GIVE_UP))
        self.arrive(self.make(number, self.now_s))

    def answered(self, number: int, outcome: int) -> None:
        """The client of a request has its answer, or has left: it thinks, and sends the following one."""
        if self.waiting is None or number not in self.open:
            return
        self.open.remove(number)
        then, think_s = self.waiting.following(number)
        at_s = self.now_s + think_s
        if then != NOBODY and not self.waiting.is_over(at_s) and goes_on(self.sendings, number, outcome):
            self.sending += 1
            heappush(self._queue, (at_s, CALL, next(self._eid), then, SEND))

    def arrive(self, request: Any) -> None:
        g, now_s = self.g, self.now_s
        self.area_s -= now_s
        self.entered += 1
        slot = take_slot(g)
        c = g.calls[slot] = self.call(*request, slot)
        self.obey(c, advance(g, c, now_s, CONTINUE))
        if self.ready.length or self.leavers.count or self.rearmed.length:
            self.go_on_ready()

    # ---- events
    def run_until(self, until_s: float) -> None:
        """All events that are due by then, SimPy's and ours."""
        queue, ready, leavers, rearmed = self._queue, self.ready, self.leavers, self.rearmed
        while queue and queue[0][0] <= until_s:
            if queue[0][1] < SERVER:
                self.now_s = queue[0][0]
                self.step()
                continue
            self._now, _, _, c, ticket = heappop(queue)
            self.now_s = self._now
            if ticket == c.ticket if ticket >= 0 else self.happen(c, ticket):
                self.go_on(c)
            if ready.length or leavers.count or rearmed.length:
                self.go_on_ready()

    def happen(self, entry: Any, ticket: int) -> bool:
        """An event that is no call's: False."""
        if ticket == SEND:
            self.send(entry)
        elif ticket == GIVE_UP:
            self.answered(entry, ABANDONED)
        else:
            server, set_at = entry
            if self.p.servers[server].ticket == set_at:
                server_due(self.p, server, self.now_s)
        return False

    def go_on(self, c: Any) -> None:
        """The call's time has come, or it was woken."""
        g, now_s = self.g, self.now_s
        if c.performing:
            if now_s >= c.leaves_s:
                cut(self.p, c, now_s)
                self.attempt_ended(c)
            elif not go_on(self.p, c, now_s):
                self.attempt_ended(c)
        c.ticket += 1
        if now_s >= c.leaves_s:
            self.obey(c, chain.depart(g, c, now_s))
        else:
            self.obey(c, advance(g, c, now_s, g.path.woken[c.stage](g, c, now_s)))

    def obey(self, c: Any, verdict: int) -> None:
        if verdict >= 0:
            self.call_ended(c)
            return
        if verdict == PERFORM:
            c.performing = True
            perform(self.p, c, self.now_s, c.parent >= 0 and c.streams)
        until_s = c.until_s
        if until_s > c.leaves_s:
            until_s = c.leaves_s
        if until_s < inf:
            heappush(self._queue, (until_s, CALL, next(self._eid), c, c.ticket))

    def go_on_ready(self) -> None:
        """What the present event has brought about goes on before the next event."""
        g, p = self.g, self.p
        while True:
            if g.leavers.count:
                self.end_leaving()
            elif g.ready.length:
                self.go_on(take_ready(g))
            else:
                break
        while p.rearmed.length:
            number = rearm(p)
            server = p.servers[number]
            if server.due_s < inf:
                heappush(self._queue, (max(server.due_s, self.now_s), SERVER, next(self._eid), (number, server.ticket), -3))

    def end_leaving(self) -> None:
        g = self.g
        while g.leavers.count:
            g.leavers.count -= 1
            c = g.calls[g.leaving[g.leavers.count]]
            if c.is_back:
                continue
            if c.performing:
                cut(self.p, c, self.now_s)
                self.attempt_ended(c)
            chain.depart(g, c, self.now_s)
            self.call_ended(c)

    # ---- ends
    def attempt_ended(self, c: Any) -> None:
        c.performing = False
        settle(self.g, c)
        self.attempts.rows += self.attempts.pack(*self.take_attempt(c))

    def call_ended(self, c: Any) -> None:
        g = self.g
        if g.leavers.count:
            self.end_leaving()
        if c.parent >= 0:
            fork_ended(g, c)
            return
        self.area_s += self.now_s
        self.left += 1
        self.requests.rows += self.requests.pack(*self.take_request(c))
        free_slot(g, c.slot)
        self.answered(c.request, c.outcome)
