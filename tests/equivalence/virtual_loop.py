"""An asyncio event loop on a virtual clock: when nothing is ready, time jumps to the next timer."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class NoInput(selectors.SelectSelector):
    """Instead of waiting for sockets, moves the loop's clock to its earliest timer."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list:
        if timeout is None:
            raise RuntimeError("deadlock: everything waits, and no timer is set")
        if timeout > 0:
            self.loop.jump()
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        selector = NoInput()
        self.now_s = 0.0
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self.now_s

    def jump(self) -> None:
        self.now_s = self._scheduled[0].when()  # type: ignore[attr-defined]
        self._clock_resolution = 2 * math.ulp(self.now_s)  # run what is due now, nothing later


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine function on a fresh virtual loop."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()
