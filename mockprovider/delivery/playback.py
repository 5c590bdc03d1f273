"""Plays one planned answer on a socket: every byte at its absolute deadline, every write timed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from time import monotonic

from mockprovider.delivery.clock import SLACK_S, Deadlines
from mockprovider.delivery.lateness import Histogram
from sim.provider.behaviour import Plan

BLOCKED_BYTES = 256 * 1024
"""A client this far behind gets nothing more until it has read: the memory one slow client can hold."""
BLOCKED_POLL_S = 0.02
BLOCKED_PATIENCE_S = 120.0
"""A client that reads nothing for this long is cut off."""
TOKENS_AT_ONCE = 512
TRICKLE = 20
"""Pieces in which a slow head comes."""
NEVER_S = 3600.0
"""A hang, and a stalled stream, ends with a reset after this long if the client has not left."""


class End(IntEnum):
    """How an answer ended, as the truth log tells it."""

    COMPLETE = 0
    ERROR = 1  # an error answer, sent whole
    REFUSED = 2  # reset before the first byte
    CLIENT_LEFT = 3
    RESET = 4  # reset in the middle of the stream
    TRUNCATED = 5  # the body ends properly in the middle of the stream, without its last events
    STALLED = 6  # went silent in the middle of the stream until the client left
    HANG = 7  # never answered
    CUT_OFF = 8  # the client did not read
    STREAM_ERROR = 9  # an error event in the middle of the stream, after HTTP 200
    MALFORMED = 10  # a chunk in the middle that is not JSON


class Ledger:
    """Lateness of every write of a process."""

    def __init__(self) -> None:
        self.first = Histogram()
        self.tokens = Histogram()
        self.last = Histogram()
        self.blocked = 0


class Playback:
    """Bytes due at ``due_s`` (monotonic): ``opening`` with the first token, then a token every ``per_token_s``, ``closing`` with the last.

    ``frame(k)`` gives the bytes of token k. An answer that comes whole has no tokens and is its ``opening``. ``done`` resolves
    to how it ended; cancelling ``done`` (the client left) stops the writing. ``first_late_s``/``last_late_s`` tell how late the
    first and the last write were, ``written`` how many tokens were written.
    """

    __slots__ = (
        "_behind", "_content", "_deadlines", "_fd", "_frame", "_ledger", "_transport", "blocked_since_s", "closing", "done", "due_s",
        "first_due_s", "first_late_s", "how", "last_late_s", "most_late_s", "opening", "per_token_s", "stop", "written",
    )  # fmt: skip

    def __init__(self, deadlines: Deadlines, transport: asyncio.Transport, ledger: Ledger, done: asyncio.Future[End]) -> None:
        self._deadlines = deadlines
        self._transport = transport
        self._ledger = ledger
        self._fd = transport.get_extra_info("socket").fileno()
        self.done = done
        self.first_late_s = self.last_late_s = float("nan")
        self.most_late_s = 0.0
        self.written = 0
        self.blocked_since_s = 0.0
        self.how = End.COMPLETE
        self._content = True
        self.first_due_s: float | None = None  # of a shared server, once it is known
        self._behind = False  # the client reads more slowly than we write: no write is ours to be late with

    def whole(self, due_s: float, content: bytes, how: End) -> None:
        """Write ``content`` at ``due_s``, and that is all."""
        self.how = how
        self.play(due_s, 0.0, content, 0, None, b"")

    def play(
        self, due_s: float, per_token_s: float, opening: bytes, tokens: int, frame: Callable[[int], bytes] | None, closing: bytes
    ) -> None:
        self.due_s = due_s
        self.per_token_s = per_token_s
        self.opening = opening
        self.stop = tokens
        self._frame = frame
        self.closing = closing
        if due_s <= monotonic() + SLACK_S:
            self._fire(monotonic())
        else:
            self._deadlines.at(due_s, self._fire)

    def refuse(self, due_s: float, how: End = End.REFUSED) -> None:
        """Reset the connection at ``due_s`` without a byte."""
        self.how = how
        self._content = False
        self.play(due_s, 0.0, b"", 0, None, b"")

    def trickle(self, from_s: float, until_s: float, head: bytes) -> None:
        """Write ``head`` piece by piece between two instants, before whatever is played."""
        size = -(-len(head) // TRICKLE)
        for i in range(TRICKLE):
            piece = head[i * size : (i + 1) * size]
            if piece:
                self._deadlines.at(from_s + (until_s - from_s) * i / TRICKLE, partial(self._drop, piece))

    def _drop(self, piece: bytes, now_s: float) -> None:
        if not self.done.done() and not self._transport.is_closing():
            send(self._transport, self._fd, piece)

    def produced(self, plan: Plan, elapsed_s: float) -> int:
        """Output tokens that exist ``elapsed_s`` after the request's arrival, written or not."""
        return plan.produced(elapsed_s)

    def wait_forever(self, due_s: float) -> None:
        """Write nothing."""
        self._deadlines.at(due_s + NEVER_S, self._abandon)

    def _fire(self, now_s: float) -> None:
        if self.done.done():
            return
        if self._transport.is_closing():
            self.done.set_result(End.CLIENT_LEFT)
        elif self._transport.get_write_buffer_size() > BLOCKED_BYTES:
            self._wait_for_reader(now_s)
        else:
            self.blocked_since_s = 0.0
            self._write_due(now_s)

    def _write_due(self, now_s: float) -> None:
        k, per_token_s, stop = self.written, self.per_token_s, self.stop
        if not self._content:
            self._end(now_s)
            return
        due = max(k, int((now_s + SLACK_S - self.due_s) / per_token_s)) + 1 if per_token_s > 0.0 else stop
        until = min(stop, due, k + TOKENS_AT_ONCE)
        taken = self._write(k, until)
        if until == stop:
            return
        if until < due:
            self._deadlines.at(now_s, self._fire)
        else:
            self._behind = self._behind and not taken
            self._deadlines.at(self.due_s + until * per_token_s, self._fire)

    def _write(self, k: int, until: int) -> bool:
        """Write tokens k to ``until``, with what comes before the first and after the last. True if the client took it all."""
        frame = self._frame
        data = b"".join([frame(i) for i in range(k, until)]) if frame is not None else b""
        if k == 0:
            data = self.opening + data
        if until == self.stop:
            data += self.closing
        taken = send(self._transport, self._fd, data)
        wrote_s = monotonic()
        if not taken:
            self._ledger.blocked += 1
            self._behind = True
        elif not self._behind:
            self._record(k, until, wrote_s)
        self.written = until
        if until == self.stop:
            self._end(wrote_s)
        return taken

    def _record(self, k: int, until: int, wrote_s: float) -> None:
        ledger, due_s, per_token_s = self._ledger, self.due_s, self.per_token_s
        late_s = wrote_s - due_s - k * per_token_s
        if k == 0:
            self.first_late_s = late_s
            ledger.first.add(late_s)
        if late_s > self.most_late_s:
            self.most_late_s = late_s
        for i in range(k, until):
            ledger.tokens.add(wrote_s - due_s - i * per_token_s)
        if until == self.stop:
            self.last_late_s = wrote_s - due_s - max(0, until - 1) * per_token_s
            ledger.last.add(self.last_late_s)

    def _end(self, now_s: float) -> None:
        if self.how is End.STALLED:
            self._deadlines.at(now_s + NEVER_S, self._abandon)
            return
        if self.how in (End.RESET, End.REFUSED):
            reset(self._transport)
        self.done.set_result(self.how)

    def _wait_for_reader(self, now_s: float) -> None:
        self._behind = True
        if not self.blocked_since_s:
            self.blocked_since_s = now_s
        if now_s - self.blocked_since_s > BLOCKED_PATIENCE_S:
            reset(self._transport)
            self.done.set_result(End.CUT_OFF)
        else:
            self._deadlines.at(now_s + BLOCKED_POLL_S, self._fire)

    def _abandon(self, now_s: float) -> None:
        if not self.done.done():
            reset(self._transport)
            self.done.set_result(End.HANG if not self.written else End.STALLED)


def send(transport: asyncio.Transport, fd: int, data: bytes) -> bool:
    """Write now, by a system call of our own: transports gather writes until the loop's turn ends, and the last would be late.

    What the socket does not take goes to the transport's buffer. True if the socket took all of it: False tells that the
    client reads slowly, so the time of this write says nothing about us.
    """
    if transport.get_write_buffer_size():
        transport.write(data)
        return False
    try:
        sent = os.write(fd, data)
    except BlockingIOError:
        sent = 0
    except OSError:
        transport.abort()
        return False
    if sent == len(data):
        return True
    transport.write(data[sent:])
    return False


def reset(transport: asyncio.Transport) -> None:
    """Close so that the client sees a connection reset (RST), whatever was still unsent."""
    import socket
    import struct

    peer = transport.get_extra_info("socket")
    if peer is not None:
        try:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass  # closed already
    transport.abort()
