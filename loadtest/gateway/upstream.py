"""Attempts over HTTP: one request to one provider, in its dialect."""

from __future__ import annotations

import os
import re
from math import nan
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from loadtest.gateway.asyncio_driver import AsyncioDriver
from loadtest.gateway.connections import HERE, connector, trace
from loadtest.gateway.context import Summaries, messages_for, summary_request
from loadtest.gateway.dialects import DIALECTS
from loadtest.gateway.dialects.base import StreamReader
from loadtest.gateway.parsing import ChatRequest
from loadtest.protocol.chat_stream import BrokenAnswer, error_text
from sim.data.statuses import REFUSED
from sim.kernel.containers import NOBODY
from sim.scenario.targets import target_names

MAX_ERROR_BYTES = 64 * 1024
RETRY_AFTER = (("retry-after-ms", 1e-3), ("retry-after", 1.0))
RETRY_DELAY = re.compile(rb'"retryDelay":\s*"([0-9.]+)s"')  # Gemini says it in the body (google.rpc.RetryInfo)


def upstream_session(connections: Any) -> aiohttp.ClientSession:
    """``connections``: a scenario's ``gateway.connections``."""
    return aiohttp.ClientSession(
        connector=connector(connections),
        trace_configs=[] if connections is None else [trace(connections.setup)],
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},  # a compressed stream comes in lumps
    )


def keys_of(provider: str, count: int) -> list[str]:
    """API keys 0 … count-1: from TENFOLD_KEY_<PROVIDER>_<n> in the environment, otherwise the mock's."""
    name = re.sub(r"[^A-Z0-9]", "_", provider.upper())
    return [os.environ.get(f"TENFOLD_KEY_{name}_{number}") or f"sk-mock-{provider}-{number}" for number in range(count)]


class HttpTarget:
    """One provider/model of the scenario at its provider's ``url``."""

    def __init__(self, name: str, provider: Any, url: str) -> None:
        self.name = name
        self.dialect = DIALECTS[provider.dialect]
        provider_name, self.model = name.split("/", 1)
        path = self.dialect.path.format(model=quote(self.model, safe=""))
        self.url = URL(url.rstrip("/").removesuffix(self.dialect.prefix) + path, encoded=True)
        self.is_here = self.url.host in HERE
        self.headers = [self.dialect.authorize(key) for key in keys_of(provider_name, provider.keys)]


class HttpUpstream:
    """All providers of a scenario. ``urls``: base URL by provider."""

    def __init__(self, session: aiohttp.ClientSession, scenario: Any, urls: dict[str, str]) -> None:
        self.session = session
        self.summaries = Summaries()
        names = target_names(scenario)
        self.targets = [HttpTarget(name, scenario.providers[name.split("/", 1)[0]], urls[name.split("/", 1)[0]]) for name in names]

    def begin(self, driver: AsyncioDriver, c: Any) -> HttpAttempt:
        kind = SummaryAttempt if driver.g.summary is not None and c.summarizing else HttpAttempt
        return kind(self.session, self.targets[c.target], driver, c, self.summaries)


class HttpAttempt:
    """Leaving ``run`` early closes the connection: the provider sees that it is cancelled."""

    __slots__ = ("_c", "_driver", "_reader", "_session", "_summaries", "_target")

    def __init__(self, session: aiohttp.ClientSession, target: HttpTarget, driver: AsyncioDriver, c: Any, summaries: Summaries) -> None:
        self._session, self._target, self._driver, self._c, self._summaries = session, target, driver, c, summaries
        self._reader: StreamReader | None = None  # from the head of an answer on

    async def run(self) -> int:
        c, target = self._c, self._target
        request: ChatRequest = c.exchange
        document, messages = self.asked()
        body = orjson.dumps(target.dialect.ask(document, target.model, messages))
        headers = {**target.headers[c.key], "x-tenfold-request": str(request.number)}
        try:
            answer = await self._session.post(target.url, data=body, headers=headers, trace_request_ctx=self)
        except aiohttp.ClientError:
            request.failure = f"{target.name} cannot be reached"
            return REFUSED
        try:
            if answer.status == 200:
                return await self._read(answer, request)
            said = await read_error(answer)
            request.failure = f"{target.name} answered {answer.status}: {error_text(said)}"
            c.retry_after_s = retry_after_s(answer, said)
            return answer.status
        finally:
            answer.close()  # one that was read to its end has given its connection back already

    @property
    def is_here(self) -> bool:
        """Whether its provider is on this machine."""
        return self._target.is_here

    def connecting(self) -> None:
        """A connection is set up for it."""
        self._driver.connecting(self._c)

    def connected(self) -> None:
        self._driver.connected(self._c)

    def asked(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """(document, messages) to send."""
        g, c, request = self._driver.g, self._c, self._c.exchange
        document = request.document
        most = most_answer(g, c)
        if most:
            limit = "max_completion_tokens" if "max_completion_tokens" in document else "max_tokens"
            document = {**document, limit: min(most, document.get(limit) or most)}
        return document, messages_for(g, c, request, self._summaries)

    def answered(self, reader: StreamReader) -> None:
        """It is whole."""
        self._c.exchange.reader = reader

    async def _read(self, answer: aiohttp.ClientResponse, request: ChatRequest) -> int:
        """Pass the stream on, piece by piece, from the first content on; from a fork, once it has won."""
        c, shown = self._c, False
        held: list[bytes] = []
        reader = self._reader = self._target.dialect.reader(request.include_usage)
        status = REFUSED
        try:
            while chunk := await answer.content.readany():
                tokens, data = reader.feed(chunk)
                if tokens and not shown:
                    shown = True
                    self._driver.show(c)
                if not c.streams:
                    continue
                if not shown or not (c.parent == NOBODY or c.wins):
                    held.append(data)
                    continue
                if held:
                    data = b"".join((*held, data))
                    held.clear()
                await request.sink.send(data)
            if reader.finish_reason is None:
                request.failure = f"{self._target.name} ended its answer without saying why"
            else:
                status = 200
                self.answered(reader)
        except (aiohttp.ClientError, BrokenAnswer, ValueError) as error:
            request.failure = f"{self._target.name} broke its answer off: {error}"
        self.cut()
        return status

    def cut(self) -> None:
        """What is billed: as the provider counts; before it has said so, what it was sent."""
        c, reader = self._c, self._reader
        if reader is not None:
            c.billed_tokens = c.input_tokens if reader.input_tokens is None else reader.input_tokens
            c.produced_tokens, c.attempt_cached = reader.output_tokens, reader.cached_tokens


def most_answer(g: Any, c: Any) -> int:
    """Tokens that the answer may have by the gateway's own policies; 0: as many as its client asked for."""
    most = [c.answer_tokens] if g.overload is not None and c.shortened else []
    return min([*most, *([c.most_answer] if g.token_budget is not None else [])], default=0)


class SummaryAttempt(HttpAttempt):
    """Asks for a summary of the conversation, which its next requests bring along."""

    __slots__ = ()

    def asked(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return summary_request(self._driver.g, self._c, self._c.exchange, self._summaries)

    def connecting(self) -> None:
        """The model's summaries take no part in the pool."""

    def connected(self) -> None:
        pass

    def answered(self, reader: StreamReader) -> None:
        self._summaries.keep(self._c.conversation, reader.message.build()["content"] or "")


async def read_error(answer: aiohttp.ClientResponse) -> bytes:
    """The body of an error answer, which is read to its end so that the connection can be used again, unless it is endless."""
    body = b""
    try:
        while len(body) < MAX_ERROR_BYTES and (chunk := await answer.content.readany()):
            body += chunk
    except aiohttp.ClientError:
        return b"(its body broke off)"
    return body


def retry_after_s(answer: aiohttp.ClientResponse, body: bytes) -> float:
    """Seconds from the headers, or from the body; nan if neither says. HTTP dates are not used by LLM providers and count as none."""
    for header, unit_s in RETRY_AFTER:
        try:
            return max(0.0, float(answer.headers[header]) * unit_s)
        except (KeyError, ValueError):
            continue
    told = RETRY_DELAY.search(body)
    return float(told[1]) if told else nan
