"""Answers of a server that its requests share: tokens are due when the server's clock of work says so, as others come and go."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mockprovider.delivery.clock import Deadlines
from mockprovider.delivery.playback import Playback
from sim.provider.behaviour import Plan, produced_tokens
from sim.provider.processor_sharing import SharedServer, advance, mark, next_in_s, reached


class Pace:
    """Keeps one deadline for the next mark on a server's clock of work; ``t0_s`` is the run's start on the monotonic clock."""

    def __init__(self, server: SharedServer, deadlines: Deadlines, t0_s: float) -> None:
        self.server = server
        self._deadlines = deadlines
        self.t0_s = t0_s
        self._setting = 0

    def retime(self) -> None:
        """Somebody came, went or waits for another mark: the next one is due at another time."""
        self._setting += 1
        wait_s = next_in_s(self.server)
        if wait_s < float("inf"):
            self._deadlines.at(self.t0_s + self.server.at_s + wait_s, partial(self._due, self.server.at_s + wait_s, self._setting))

    def _due(self, due_s: float, setting: int, now_s: float) -> None:
        if setting == self._setting:
            for playback in reached(self.server, due_s):
                playback.reach(self.t0_s + due_s, now_s)
            self.retime()


class SharedPlayback(Playback):
    """A playback whose instants are offsets in work after its arrival. ``left`` tells the server's clock to forget it."""

    __slots__ = ("_arrived_s", "_begun_work_s", "_due", "_pace", "_work_per_token_s", "_work_s")

    def enter(self, pace: Pace, arrived_s: float) -> None:
        """The server has just let it in."""
        self._pace = pace
        self._arrived_s = arrived_s
        self._begun_work_s = pace.server.work_s
        self._due = 0

    @property
    def left(self) -> bool:
        return self.done.done()

    def play(
        self, due_s: float, per_token_s: float, opening: bytes, tokens: int, frame: Callable[[int], bytes] | None, closing: bytes
    ) -> None:
        self.due_s, self.per_token_s = due_s, 0.0
        self.opening, self._frame, self.closing, self.stop = opening, frame, closing, tokens
        self._work_s, self._work_per_token_s = due_s - self._arrived_s, per_token_s
        self._wait()

    def _wait(self) -> None:
        server = self._pace.server
        mark(server, self._begun_work_s + self._work_s + self._due * self._work_per_token_s - server.work_s, self)

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
        server = self._pace.server
        advance(server, max(self._arrived_s + elapsed_s - self._pace.t0_s, server.at_s))
        done_s = server.work_s - self._begun_work_s
        return produced_tokens(done_s, plan.first_token_s, plan.per_token_s, plan.duration_s, plan.output_tokens)
