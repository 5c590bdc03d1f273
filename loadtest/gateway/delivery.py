"""The way back to the client: held until the first content, so that a failed attempt can still be retried; then passed on as it comes."""

from __future__ import annotations

from aiohttp import web

from loadtest.gateway.answers import error_body
from loadtest.gateway.parsing import ChatRequest
from loadtest.gateway.world import Piece
from sim.gateway.request import Request

STREAM_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Sink:
    """One client's connection. ``response`` is None until the first byte has gone out."""

    __slots__ = ("_held", "_http", "gone", "response")

    def __init__(self, http: web.Request) -> None:
        self._http = http
        self._held: list[bytes] = []
        self.response: web.StreamResponse | None = None
        self.gone = False

    def forget(self) -> None:
        """A new attempt begins: nothing of an earlier one may reach the client."""
        self._held.clear()

    async def send(self, piece: Piece) -> None:
        if self.response is None:
            self._held.append(piece.data)
            if not piece.tokens:
                return
            data = b"".join(self._held)
            self._held.clear()
            await self.start("ok")
        else:
            data = piece.data
        await self.write(data)

    async def start(self, outcome: str) -> None:
        self.response = web.StreamResponse(headers={**STREAM_HEADERS, "x-tenfold-outcome": outcome})
        try:
            await self.response.prepare(self._http)
        except ConnectionError:
            self.gone = True

    async def write(self, data: bytes) -> None:
        """To a client that has left, nothing: its work may go on all the same."""
        if self.gone or self.response is None or not data:
            return
        try:
            await self.response.write(data)
        except ConnectionError:
            self.gone = True

    async def fail(self, message: str, kind: str) -> None:
        """The stream cannot be finished: say so in an event, since the status has long gone out."""
        await self.write(b"data: " + error_body(message, kind) + b"\n\n")

    async def end(self) -> None:
        if self.response is not None and not self.gone:
            try:
                await self.response.write_eof()
            except ConnectionError:
                self.gone = True


class StreamingDelivery:
    """For clients that asked for a stream."""

    streams = True

    async def send(self, request: Request, piece: Piece) -> None:
        assert isinstance(request, ChatRequest)
        await request.sink.send(piece)


class WholeDelivery:
    """For clients that want the answer whole: the reader collects it, nothing goes out before its end."""

    streams = False

    async def send(self, request: Request, piece: Piece) -> None:
        return None
