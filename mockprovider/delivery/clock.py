"""One heap of absolute deadlines for everything a mock has to write, woken by a timerfd.

asyncio's own timers are too coarse for the job: uvloop's clock is cached and quantised to 1 ms, and a task per token costs more
than the token. Here a deadline is a heap entry, one kernel timer stands for the earliest, and a wake-up fires all that is due.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
from collections.abc import Callable
from heapq import heappop, heappush
from time import monotonic

SLACK_S = 0.0002
"""What is due within this is fired now: a second wake-up would come later than that."""

FIRED_AT_ONCE = 512
"""Then the event loop has its turn, so that an overloaded mock still reads what arrives."""

Fire = Callable[[float], None]


class KernelTimer:
    """A Linux timerfd on CLOCK_MONOTONIC, the clock of ``time.monotonic``. Raises OSError where there is none."""

    CLOCK_MONOTONIC = 1
    NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
    ABSOLUTE = 1

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        if not sys.platform.startswith("linux"):
            raise OSError("timerfd exists on Linux only")
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self.fd = libc.timerfd_create(self.CLOCK_MONOTONIC, self.NONBLOCK_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._loop = loop
        loop.add_reader(self.fd, wake)

    def set(self, at_s: float) -> None:
        """Wake at ``at_s``; setting again also takes back a wake-up that has not been seen yet."""
        whole = int(at_s)
        # An all-zero time would disarm the timer, so an instant in the past is still one nanosecond.
        self._settime(self.fd, self.ABSOLUTE, struct.pack("qqqq", 0, 0, whole, max(1, int((at_s - whole) * 1e9))), None)

    def clear(self) -> None:
        self._settime(self.fd, self.ABSOLUTE, bytes(32), None)

    def close(self) -> None:
        self._loop.remove_reader(self.fd)
        os.close(self.fd)


class LoopTimer:
    """The portable stand-in: the event loop's own timer, aimed 1 ms early and then turning until the instant has come."""

    EARLY_S = 0.001

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._loop = loop
        self._wake = wake
        self._at_s = 0.0
        self._handle: asyncio.Handle | None = None

    def set(self, at_s: float) -> None:
        self.clear()
        self._at_s = at_s
        self._handle = self._loop.call_later(max(0.0, at_s - monotonic() - self.EARLY_S), self._near)

    def _near(self) -> None:
        if monotonic() + SLACK_S < self._at_s:
            self._handle = self._loop.call_soon(self._near)
        else:
            self._handle = None
            self._wake()

    def clear(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def close(self) -> None:
        self.clear()


class Deadlines:
    """``at(when_s, fire)`` calls ``fire(now_s)`` once ``time.monotonic()`` reaches ``when_s``; equal deadlines in order of entry.

    There is no cancelling: whoever lost interest ignores the call. ``portable`` avoids the timerfd.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, portable: bool = False) -> None:
        self._heap: list[tuple[float, int, Fire]] = []
        self._entered = 0
        self._armed_s = float("inf")
        self._firing = False
        self.timer: KernelTimer | LoopTimer
        try:
            if portable:
                raise OSError
            self.timer = KernelTimer(loop, self._wake)
        except OSError:
            self.timer = LoopTimer(loop, self._wake)

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, when_s: float, fire: Fire) -> None:
        self._entered += 1
        heappush(self._heap, (when_s, self._entered, fire))
        if when_s < self._armed_s and not self._firing:
            self._armed_s = when_s
            self.timer.set(when_s)

    def _wake(self) -> None:
        heap = self._heap
        self._firing = True
        try:
            now_s = monotonic()
            for _ in range(FIRED_AT_ONCE):
                if not heap or heap[0][0] > now_s + SLACK_S:
                    break
                heappop(heap)[2](now_s)
                now_s = monotonic()
        finally:
            self._firing = False
            if heap:
                self._armed_s = heap[0][0]
                self.timer.set(self._armed_s)
            else:
                self._armed_s = float("inf")
                self.timer.clear()

    def close(self) -> None:
        self.timer.close()
        self._heap.clear()
