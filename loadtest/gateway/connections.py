"""Real connections to providers: kept idle and closed as ``gateway.connections`` says, and timed while they are set up.

How many there are at once, and who waits for one, the stage of the chain decides (``sim.gateway.stages.connections``).
"""

from __future__ import annotations

import asyncio
from time import monotonic
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey

KEEPALIVE_S = 15.0  # hosted APIs and their load balancers close idle connections after 60 s and more
HERE = ("127.0.0.1", "::1", "localhost")


class Connector(aiohttp.TCPConnector):
    """Without a limit of its own. Beyond ``keep`` idle connections to a provider it closes those that come back."""

    def __init__(self, keep: int | None, idle_s: float) -> None:
        super().__init__(limit=0, keepalive_timeout=idle_s)
        self.keep, self.idle_s = keep, idle_s

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        """aiohttp has no such limit, and no other place for one."""
        if self.keep is not None:
            now_s = monotonic()
            idle = sum(now_s - since_s <= self.idle_s for _, since_s in self._conns.get(key, ()))
            should_close = should_close or idle >= self.keep
        super()._release(key, protocol, should_close=should_close)


def connector(connections: Any) -> Connector:
    """Of a scenario's ``gateway.connections``."""
    if connections is None:
        return Connector(None, KEEPALIVE_S)
    return Connector(connections.keep, connections.idle)


def trace(setup_s: float) -> aiohttp.TraceConfig:
    """Tells the attempt that a request belongs to (its ``trace_request_ctx``) of a connection that has been set up for it. To a provider on
    this machine that takes no time: ``setup_s`` is waited instead.
    """

    async def starts(_: Any, context: SimpleNamespace, __: Any) -> None:
        attempt = context.trace_request_ctx
        attempt.connecting()
        if attempt.is_here:
            await asyncio.sleep(setup_s)

    async def is_set_up(_: Any, context: SimpleNamespace, __: Any) -> None:
        context.trace_request_ctx.connected()

    config = aiohttp.TraceConfig()
    config.on_connection_create_start.append(starts)
    config.on_connection_create_end.append(is_set_up)
    return config
