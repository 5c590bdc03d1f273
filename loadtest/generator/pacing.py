"""Waiting for an exact moment, on the mock's own deadline heap (timerfd where there is one)."""

from __future__ import annotations

import asyncio
import time

from mockprovider.delivery.clock import Deadlines


async def reach(deadlines: Deadlines, due: float) -> None:
    """Return at the moment ``due`` of ``time.monotonic()``, to some 0.2 ms; at once if it has passed."""
    if due > time.monotonic():
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        deadlines.at(due, lambda _now: None if reached.done() else reached.set_result(None))
        await reached
