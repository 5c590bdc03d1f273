"""One request of the load generator: sent, read to its end, judged. Latency counts from the intended send time (coordinated omission)."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from loadtest.generator.samples import outcome_of
from loadtest.protocol.chat_stream import BrokenAnswer, ChatStream, error_text, read_whole
from mockprovider.dialects.answer_text import version_in
from sim.data.outcomes import ABANDONED, ERROR, TIMEOUT, name_of

# Shorter than any server's own keep-alive (uvicorn: 5 s), so that no request is sent into a connection that is about to be closed.
KEEPALIVE_S = 4.0
MAX_ERROR_BYTES = 64 * 1024
NONE: Mapping[str, str] = {}
HOLD, POLL_S = {"Prefer": "wait=30"}, 0.5  # RFC 7240; and how often a server is asked that does not know it


class Exchange:
    """What is seen of one request, in ``time.monotonic()`` seconds; nan: never happened."""

    __slots__ = (
        "accepted", "deltas", "dropped", "due", "ended", "error", "first_content", "headers", "input_tokens", "outcome", "output_tokens",
        "sent", "status", "tag", "version",
    )  # fmt: skip

    def __init__(self, due: float, tag: Any) -> None:
        self.due = due
        self.tag = tag
        self.sent = self.headers = self.accepted = self.first_content = self.ended = math.nan
        self.status = self.deltas = self.input_tokens = self.output_tokens = self.dropped = 0
        self.version = -1  # of the content that the answer rests on, where it says
        self.outcome = ERROR
        self.error = ""

    def __repr__(self) -> str:
        said = f": {self.error}" if self.error else ""
        return f"<Exchange {name_of(self.outcome)} {self.status} after {self.ended - self.due:.3f} s, {self.deltas} deltas{said}>"


async def _stamp_sent(_session: Any, context: SimpleNamespace, _params: Any) -> None:
    """Over a new connection that is when it begins to be set up: how long that takes is the server's affair, no lag of the client."""
    exchange: Exchange | None = context.trace_request_ctx
    if exchange is not None and math.isnan(exchange.sent):
        exchange.sent = time.monotonic()


def open_session(read_buffer: int = 2**16, key: str | None = None) -> aiohttp.ClientSession:
    """A session without any limit on connections: a limit would queue in the client what the server should see.

    ``key``: the client's, default: from TENFOLD_KEY_CLIENT.
    """
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(_stamp_sent)
    trace.on_request_headers_sent.append(_stamp_sent)
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}  # a compressed stream comes in lumps
    if key := key or os.environ.get("TENFOLD_KEY_CLIENT"):
        headers["Authorization"] = f"Bearer {key}"
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, ttl_dns_cache=None),
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        trace_configs=[trace],
        read_bufsize=read_buffer,
    )


def place_of(answer: aiohttp.ClientResponse) -> URL:
    """Where a job that was accepted is asked for. Raises BrokenAnswer if nobody says."""
    if "Location" not in answer.headers:
        raise BrokenAnswer("accepted (202), without the Location of an answer", "no_location")
    return answer.url.join(URL(answer.headers["Location"]))


class Client:
    """Sends chat completions to ``url``, and follows jobs to their answers.

    ``timeout_s``: the client leaves that long after the intended send time, closing the connection, unless its request was accepted as a
    job. ``outcomes`` as in LoadPlan.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, timeout_s: float | None, outcomes: Mapping[str, str] = NONE) -> None:
        self.session = session
        self.url = url
        self.timeout_s = timeout_s
        self.outcomes = outcomes
        self.loop = asyncio.get_running_loop()

    async def send(self, exchange: Exchange, body: bytes, headers: dict[str, str]) -> Exchange:
        """Play one exchange to its end, whatever that is. Never raises, except CancelledError."""
        leave_at = None if self.timeout_s is None else self.loop.time() + exchange.due + self.timeout_s - time.monotonic()
        try:
            async with asyncio.timeout_at(leave_at) as patience:
                job = await self._exchange(exchange, body, headers)
                if job is not None and not patience.expired():
                    patience.reschedule(None)
                while job is not None:
                    job = await self._ask_for(job, exchange)
            return exchange
        except TimeoutError:
            exchange.outcome, exchange.error = ABANDONED, f"the client left after {self.timeout_s:g} s"
        except BrokenAnswer as broken:
            exchange.outcome = TIMEOUT if "timeout" in broken.kind else ERROR
            exchange.error = str(broken)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            exchange.outcome, exchange.error = ERROR, f"{type(error).__name__}: {error}"
        exchange.ended = time.monotonic()
        return exchange

    async def _exchange(self, exchange: Exchange, body: bytes, headers: dict[str, str]) -> URL | None:
        """Where the answer will be, if the request was accepted as a job."""
        async with self.session.post(self.url, data=body, headers=headers, trace_request_ctx=exchange) as answer:
            exchange.headers = time.monotonic()
            if answer.status == 202:
                exchange.accepted = time.monotonic()
                await answer.read()
                return place_of(answer)
            await self._read(exchange, answer)
        return None

    async def _ask_for(self, job: URL, exchange: Exchange) -> URL | None:
        """Ask for the answer to a job, which the server is to hold back until it is there; the job, if it was not."""
        asked = time.monotonic()
        async with self.session.get(job, headers=HOLD) as answer:
            if answer.status != 202:
                await self._read(exchange, answer)
                return None
            await answer.read()
        await asyncio.sleep(max(0.0, asked + POLL_S - time.monotonic()))  # where the server holds nothing back
        return job

    async def _read(self, exchange: Exchange, answer: aiohttp.ClientResponse) -> None:
        exchange.status = answer.status
        outcome = outcome_of(answer.status, answer.headers.get("x-tenfold-outcome") or self.outcomes.get(str(answer.status)))
        if answer.status >= 400:
            exchange.outcome = outcome
            exchange.error = error_text(await answer.content.read(MAX_ERROR_BYTES))
            exchange.ended = time.monotonic()
        elif answer.content_type == "text/event-stream":
            await self._read_stream(exchange, answer)
            exchange.outcome = outcome
        else:
            content = await answer.read()
            exchange.ended = time.monotonic()
            exchange.deltas, usage = read_whole(content)
            exchange.first_content = exchange.ended
            self._count(exchange, usage)
            exchange.outcome = outcome

    async def _read_stream(self, exchange: Exchange, answer: aiohttp.ClientResponse) -> None:
        stream = ChatStream()
        try:
            while chunk := await answer.content.readany():
                now = time.monotonic()
                if stream.feed(chunk) and exchange.deltas == 0:
                    exchange.first_content = now
                exchange.deltas = stream.deltas
                exchange.ended = now
        finally:
            self._count(exchange, stream.usage)
            exchange.version = version_in(stream.opening)
        stream.end()

    @staticmethod
    def _count(exchange: Exchange, usage: dict[str, Any]) -> None:
        exchange.input_tokens = int(usage.get("prompt_tokens") or 0)
        exchange.output_tokens = int(usage.get("completion_tokens") or exchange.deltas)
