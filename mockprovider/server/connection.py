"""aiohttp's server with what a trustworthy mock needs besides: when a request arrived, bounded bodies, errors in the provider's shape."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.web_protocol import RequestHandler

from mockprovider.delivery import http_bytes
from mockprovider.delivery.playback import reset

BODY_BYTES = 32 * 1024 * 1024
"""Anthropic's documented limit on a request; what is larger gets 413 unread."""
BODY_TIMEOUT_S = 30.0
IDLE_S = 75.0
"""A connection that has no complete request head for this long is closed."""
MOST_CONNECTIONS = 16_384


class TooLarge(Exception):
    """A body beyond BODY_BYTES."""


class TooSlow(Exception):
    """A body that did not arrive within BODY_TIMEOUT_S."""


class Unreadable(Exception):
    """A body that is not what its framing says."""


class Sent:
    """Tells aiohttp that the answer is on its way already and whether the connection may serve another request."""

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self) -> None:
        return None


KEEP, CLOSE = Sent(True), Sent(False)

Serve = Callable[[web.BaseRequest], Awaitable[Any]]
ParseError = Callable[[int, str], tuple[http_bytes.Headers, bytes]]


class Connection(RequestHandler):
    """``received_s``: when the last bytes came, by the monotonic clock; the earliest instant a process can know."""

    __slots__ = ("received_s",)

    def __init__(self, manager: Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self.received_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._manager is not None and len(self._manager._connections) > MOST_CONNECTIONS:
            reset(transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        if data:
            self.received_s = monotonic()
        super().data_received(data)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What aiohttp could not parse, or a defect of our own: the provider's error shape, never a traceback."""
        self.keep_alive(False)
        manager = self._manager
        if not isinstance(exc, BadHttpMessage) and status >= 500:
            self.logger.error("error while answering %s %s", request.method, request.path, exc_info=exc)
        if isinstance(manager, Server) and self.transport is not None and not self.transport.is_closing():
            said = "The server had an error while processing your request." if status >= 500 else "The request is not valid HTTP."
            headers, body = manager.word_error(status, said)
            self.transport.write(http_bytes.whole(status, headers, body, keep_alive=False))
        return CLOSE  # type: ignore[return-value]


class Server(web.Server):
    """``serve`` answers requests; ``word_error(status, message)`` gives headers and body of what never became one."""

    def __init__(self, serve: Serve, word_error: ParseError, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(serve, handler_cancellation=True, loop=loop, request_factory=self.make_request)
        self.word_error = word_error

    def make_request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=BODY_BYTES)

    def __call__(self) -> RequestHandler:
        return Connection(
            self,
            loop=self._loop,
            keepalive_timeout=IDLE_S,
            access_log=None,
            lingering_time=2.0,
            max_line_size=16_384,
            max_field_size=16_384,
        )


async def read_body(request: web.BaseRequest) -> bytes:
    """The body whole. Raises TooLarge (before reading it, where its length is told), TooSlow, Unreadable."""
    length = request.content_length
    if length is not None and length > BODY_BYTES:
        raise TooLarge
    content = request.content
    try:
        if content.is_eof():  # it came with its head, as small requests do: nothing to wait for
            return content.read_nowait()
        return await asyncio.wait_for(request.read(), BODY_TIMEOUT_S)
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge from None
    except TimeoutError:
        raise TooSlow from None
    except asyncio.CancelledError:
        raise
    except (web.RequestPayloadError, ValueError, ConnectionError) as error:
        raise Unreadable(str(error)) from None
