"""The way back to the client, who sees nothing before the first content, so that a failed attempt can still be retried."""

from __future__ import annotations

from aiohttp import web

from loadtest.gateway.answers import error_body

STREAM_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Sink:
    """One client's connection. ``response`` is None until the first byte has gone out."""

    __slots__ = ("_http", "gone", "response")

    def __init__(self, http: web.Request) -> None:
        self._http = http
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
            await self.response.write(data)
        except ConnectionError:
            self.gone = True

    async def fail(self, message: str, kind: str) -> None:
        """The stream cannot be finished: say so in an event, since the status has long gone out."""
        await self.send(b"data: " + error_body(message, kind) + b"\n\n")

    async def end(self) -> None:
        if self.response is not None and not self.gone:
            try:
                await self.response.write_eof()
            except ConnectionError:
                self.gone = True
