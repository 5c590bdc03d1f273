"""One provider over HTTP: the asyncio world's Upstream.

Connections are pooled without a limit, since a limit would be a queue nobody models.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson

from loadtest.gateway.context import messages_for
from loadtest.gateway.dialects import DIALECTS, StreamReader
from loadtest.gateway.parsing import ChatRequest
from loadtest.gateway.world import Piece
from loadtest.protocol.chat_stream import BrokenAnswer, error_text
from sim.gateway.assembled import Gateway
from sim.gateway.request import Record, Request
from sim.policy.router import TargetState

KEEPALIVE_S = 15.0  # hosted APIs and their load balancers close idle connections after 60 s and more
MAX_ERROR_BYTES = 64 * 1024


def upstream_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},  # a compressed stream comes in lumps
    )


def keys_of(provider: str, count: int) -> list[str]:
    """API keys 0 … count-1: from TENFOLD_KEY_<PROVIDER>_<n> in the environment, otherwise the mock's."""
    name = re.sub(r"[^A-Z0-9]", "_", provider.upper())
    return [os.environ.get(f"TENFOLD_KEY_{name}_{number}") or f"sk-mock-{provider}-{number}" for number in range(count)]


class HttpReply:
    """An upstream answer whose status is known; iterating it passes the stream on, piece by piece."""

    def __init__(self, answer: aiohttp.ClientResponse, reader: StreamReader, context_tokens: int) -> None:
        self.answer = answer
        self.reader = reader
        self.status = answer.status
        self.retry_after_s = retry_after_s(answer)
        self.input_tokens = context_tokens  # until the provider has counted them itself
        self.output_tokens = 0

    async def __aiter__(self) -> AsyncIterator[Piece]:
        try:
            while chunk := await self.answer.content.readany():
                piece = self.reader.feed(chunk)
                self.output_tokens = self.reader.output_tokens
                if self.reader.input_tokens is not None:
                    self.input_tokens = self.reader.input_tokens
                yield piece
        except (aiohttp.ClientError, BrokenAnswer, ValueError) as error:
            raise ConnectionError(f"the stream broke off: {error}") from error
        if self.reader.finish_reason is None:
            raise ConnectionError("the stream ended without saying why")

    def take(self, request: Request) -> None:
        assert isinstance(request, ChatRequest)
        request.reader = self.reader


class HttpUpstream:
    """One provider of the scenario at ``url``, spoken to in its dialect."""

    def __init__(self, session: aiohttp.ClientSession, gateway: Gateway, url: str, dialect: str, keys: list[str]) -> None:
        self.session = session
        self.gateway = gateway
        self.dialect = DIALECTS[dialect]
        self.url = url.rstrip("/").removesuffix("/v1") + self.dialect.path
        self.headers = [self.dialect.authorize(key) for key in keys]

    @asynccontextmanager
    async def call(self, request: Request, record: Record, target: TargetState, key: int) -> AsyncIterator[HttpReply]:
        """Raises ConnectionError when the provider cannot be reached or its stream breaks.

        Leaving early closes the connection: the call is cancelled.
        """
        assert isinstance(request, ChatRequest)
        body = orjson.dumps(self.dialect.ask(request.document, target.model, messages_for(request, self.gateway)))
        request.sink.forget()
        request.reader = reader = self.dialect.reader(request.include_usage)
        try:
            headers = {**self.headers[key], "x-tenfold-request": str(request.index)}
            answer = await self.session.post(self.url, data=body, headers=headers)
        except aiohttp.ClientError as error:
            request.failure = f"{target.name} cannot be reached"
            raise ConnectionError(str(error)) from error
        try:
            if answer.status != 200:
                request.failure = f"{target.name} answered {answer.status}: {await read_error(answer)}"
            yield HttpReply(answer, reader, record.context_tokens)
        finally:
            answer.close()  # one that was read to its end has given its connection back already


async def read_error(answer: aiohttp.ClientResponse) -> str:
    """The message of an error answer, which is read to its end so that the connection can be used again, unless it is endless."""
    body = b""
    try:
        while len(body) < MAX_ERROR_BYTES and (chunk := await answer.content.readany()):
            body += chunk
    except aiohttp.ClientError:
        return "(its body broke off)"
    return error_text(body)


def retry_after_s(answer: aiohttp.ClientResponse) -> float | None:
    """Seconds from retry-after-ms or retry-after; HTTP dates are not used by LLM providers and count as none."""
    for header, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(answer.headers[header]) * unit_s)
        except (KeyError, ValueError):
            continue
    return None
