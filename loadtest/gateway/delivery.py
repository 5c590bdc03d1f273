"""The way back to the client, who sees nothing before the first content, so that a failed attempt can still be retried."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

from aiohttp import web

from loadtest.gateway.answers import error_body

STREAM_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Sink:
    """One client's connection. ``response`` is None until the first byte has gone out.

    With ``held_writes`` (the scenario's), what is sent waits for so long after the first of it, and goes out together.
    """

    __slots__ = ("_held", "_held_writes", "_http", "_release", "gone", "response")

    def __init__(self, http: web.Request, held_writes: Any = None) -> None:
        self._http, self._held_writes = http, held_writes
        self._held: list[bytes] = []
        self._release: asyncio.Task[None] | None = None
        self.response: web.StreamResponse | None = None
        self.gone = False

    async def send(self, data: bytes) -> None:
        """To a client that has left, nothing: its work may go on all the same."""
        if self.gone or not data:
            return
        try:
            if self.response is None:
                self.response = web.StreamResponse(headers={**STREAM_HEADERS, "x-tenfold-outcome": "ok"})
                await self.response.prepare(self._http)
            if self._held_writes is None:
                await self.response.write(data)
            else:
                await self._hold(data)
        except ConnectionError:
            self.gone = True

    async def _hold(self, data: bytes) -> None:
        self._held.append(data)
        if self._release is None:
            self._release = asyncio.create_task(self._release_later())
        elif len(self._held) > (self._held_writes.pieces or inf):
            await self._write_held()

    async def _release_later(self) -> None:
        await asyncio.sleep(self._held_writes.time)
        self._release = None
        await self._write_held()

    async def _write_held(self) -> None:
        if self._release is not None:
            self._release.cancel()
            self._release = None
        data = b"".join(self._held)
        self._held.clear()
        try:
            if data and self.response is not None:
                await self.response.write(data)
        except ConnectionError:
            self.gone = True

    async def fail(self, message: str, kind: str) -> None:
        """The stream cannot be finished: say so in an event, since the status has long gone out."""
        await self.send(b"data: " + error_body(message, kind) + b"\n\n")

    async def end(self) -> None:
        await self._write_held()
        if self.response is not None and not self.gone:
            try:
                await self.response.write_eof()
            except ConnectionError:
                self.gone = True
