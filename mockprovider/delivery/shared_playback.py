"""Answers of a server that its requests share: tokens are due when the server's clock of work says so, as others come and go."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mockprovider.delivery.clock import Deadlines
from mockprovider.delivery.playback import Playback
from sim.provider.behaviour import Plan, ProviderState


class Pace:
    """One run of a provider in real time: keeps a deadline for the next mark on the clock of work of each of its shared servers.

    ``t0_s`` is the run's start on the monotonic clock. Attempts that outlast a run stay with its pace and its state.
    """

    def __init__(self, state: ProviderState, deadlines: Deadlines, t0_s: float) -> None:
        self.state = state
        self.t0_s = t0_s
        self.playbacks: dict[int, SharedPlayback] = {}
        self._deadlines = deadlines

    def retime(self) -> None:
        """On a shared server whoever comes, goes or waits for another mark moves the deadline of the next one."""
        for server, due_s, ticket in self.state.rearmed():
            if due_s < float("inf"):
                self._deadlines.at(self.t0_s + due_s, partial(self._due, server, ticket, due_s))

    def _due(self, server: int, ticket: int, due_s: float, now_s: float) -> None:
        for plan in self.state.reached(server, ticket, due_s):
            self.playbacks[plan.slot].reach(self.t0_s + due_s, now_s)
        self.retime()

    def finish(self, plan: Plan, ended_s: float) -> None:
        """An attempt has ended, on a shared server or not."""
        self.playbacks.pop(plan.slot, None)
        self.state.finish(plan, ended_s - self.t0_s)
        self.retime()


class SharedPlayback(Playback):
    """A playback whose instants are offsets in work after its arrival."""

    __slots__ = ("_arrived_s", "_begun_work_s", "_due", "_pace", "_plan", "_server", "_work_per_token_s", "_work_s")

    def enter(self, pace: Pace, plan: Plan, server: int, arrived_s: float) -> None:
        """The server has just let the plan in."""
        self._pace, self._plan, self._server = pace, plan, server
        self._arrived_s = arrived_s
        self._begun_work_s = pace.state.work_s(server)
        self._due = 0
        pace.playbacks[plan.slot] = self

    def play(
        self, due_s: float, per_token_s: float, opening: bytes, tokens: int, frame: Callable[[int], bytes] | None, closing: bytes
    ) -> None:
        self.due_s, self.per_token_s = due_s, 0.0
        self.opening, self._frame, self.closing, self.stop = opening, frame, closing, tokens
        self._work_s, self._work_per_token_s = due_s - self._arrived_s, per_token_s
        self._wait()

    def _wait(self) -> None:
        state = self._pace.state
        mark_s = self._begun_work_s + self._work_s + self._due * self._work_per_token_s
        state.mark(self._plan, mark_s - state.work_s(self._server))

    def reach(self, due_s: float, now_s: float) -> None:
        """The work for the next token, or for the whole answer, is done."""
        if self.done.done():
            return
        self.due_s = due_s
        if self.first_due_s is None:
            self.first_due_s = due_s
        self._due += 1
        if self._due < self.stop:
            self._wait()
        if not self.blocked_since_s:  # otherwise it looks again by itself
            self._fire(now_s)

    def _write_due(self, now_s: float) -> None:
        if not self._content:
            self._end(now_s)
        elif self._write(self.written, min(self._due, self.stop)):
            self._behind = False

    def produced(self, plan: Plan, elapsed_s: float) -> int:
        work_s = self._pace.state.work_s(self._server, self._arrived_s + elapsed_s - self._pace.t0_s)
        return plan.produced(work_s - self._begun_work_s)
