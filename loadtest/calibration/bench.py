"""The bench: our client in front of a gateway, our mocks behind it, one clock for both, and what either of them saw of each request.

How long a request is in service, its prompt says: the mocks answer ``tokens`` tokens, the first after TTFT_S and one every TOKEN_S.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Any

import aiohttp
import httpx
import orjson

from loadtest.generator.client import open_session
from loadtest.processes.usage import Processes
from loadtest.protocol.chat_stream import BrokenAnswer, ChatStream, error_text, read_whole
from mockprovider.processes.supervisor import RunFailed
from sim.workload.prompt_text import write_prompt

TTFT_S, TOKEN_S = 0.002, 0.010
SLOWER = 20.0
PATIENCE_S = 30.0
RECOVERY_S = 90.0
INPUT_TOKENS = 12
MAX_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True)
class Attempt:
    """What a mock saw of one attempt. Seconds on the bench's clock; ``end`` as in the truth log: complete, error, client_left, hang …"""

    prompt: int
    target: str
    started_s: float
    ended_s: float
    status: int
    end: str = "complete"
    first_token_s: float = nan  # after its start


@dataclass
class Probe:
    """What the client saw of one request. ``sent_s``: as of the load generator's samples; ``chunks_s``: when content came, in a stream."""

    prompt: int
    sent_s: float = nan
    first_s: float = nan
    ended_s: float = nan
    status: int = 0
    ok: bool = False
    error: str = ""
    chunks_s: list[float] = field(default_factory=list)
    sent: float = nan  # as the session's trace stamps it, on the monotonic clock

    @property
    def latency_s(self) -> float:
        return self.ended_s - self.sent_s

    def __repr__(self) -> str:
        how = "ok" if self.ok else "failed"
        return f"<Probe {how} {self.status} sent at {self.sent_s:.3f} s, ended at {self.ended_s:.3f} s {self.error}>"


def tokens_for(service_s: float, token_s: float = TOKEN_S) -> int:
    """Tokens of an answer that takes the mock so long."""
    return max(1, 1 + round((service_s - TTFT_S) / token_s))


class Bench:
    """``ask`` sends one request, ``attempts_of`` says what the mocks saw; ``strike`` and ``heal`` make them fail.

    ``limit`` is the gateway's rate limit for all clients together (requests, window_s), once it is known: ``room`` then waits until so many
    fit in. Not thread-safe; one event loop.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, mocks: Mapping[str, str], model: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.session = session
        self.url = f"{url.rstrip('/').removesuffix('/v1')}/v1/chat/completions"
        self.mocks = dict(mocks)
        self.model = model
        self.headers = dict(headers or {})
        self.control = httpx.AsyncClient(trust_env=False, timeout=30.0)
        self.next = time.time_ns() // 1_000_000 << 20  # prompts that no earlier calibration has asked: a cache may outlive it
        self.user = self.next | 1 << 19  # users of their own: no prompt's number
        self.limit: tuple[int, float] | None = None
        self.sent: deque[float] = deque()
        self.asked: list[float] = []  # every request there ever was, on the monotonic clock
        self.stream = False  # whether requests ask for a stream, unless told
        self.token_s = TOKEN_S
        self.zero_s = 0.0
        self.faults = 0
        self.usual: frozenset[str] = frozenset()  # the targets that were asked before anything was broken
        self.places: int | None = None  # in service at once, once it is known
        self.processes: Processes | None = None
        self.mock_models: dict[str, str] = {}  # a model of each mock that speaks the client's dialect

    async def close(self) -> None:
        await self.session.close()
        await self.control.aclose()

    def to_mock(self) -> Bench:
        """The same client in front of the first mock that speaks its dialect, with no gateway between: what the instrument itself adds."""
        name, model = next(iter(self.mock_models.items()))
        direct = Bench(self.session, self.mocks[name], self.mocks, model, {"Authorization": f"Bearer sk-mock-{name}-0"})
        direct.control, direct.zero_s = self.control, self.zero_s
        direct.next = self.next + (1 << 18)
        return direct

    def now(self) -> float:
        return time.monotonic() - self.zero_s

    def prompt(self) -> int:
        self.next += 1
        return self.next

    async def begin(self) -> None:
        """The clock starts at zero; the mocks forget all that they saw, and their faults."""
        t0 = time.time()
        self.zero_s = time.monotonic() + t0 - time.time()
        self.sent = deque()
        await asyncio.gather(*(self._control("POST", url, "t0", {"t0": t0}) for url in self.mocks.values()))
        self.faults = 0

    async def room(self, requests: int) -> None:
        """Wait until the gateway's rate limit lets ``requests`` more pass, by the strictest of all windows: a sliding one."""
        if self.limit is None:
            return
        count, window_s = self.limit
        if requests > count:
            requests = count
        while True:
            now = time.monotonic()
            while self.sent and self.sent[0] < now - 1.03 * window_s - 0.1:
                self.sent.popleft()
            if len(self.sent) + requests <= count:
                return
            await asyncio.sleep(self.sent[0] + 1.03 * window_s + 0.11 - now)

    async def recovers(self, within_s: float = RECOVERY_S) -> bool:
        """Until it serves three requests in a row, at all of its usual targets: what an experiment before has broken, such as a breaker,
        may take its time. A target that stays away for longer is one less.
        """
        until, served = time.monotonic() + within_s, 0
        missing = set(self.usual)
        while served < 3 or missing:
            await self.room(1)
            probe = await self.ask()
            served = served + 1 if probe.ok else 0
            if missing:
                missing -= {attempt.target for attempt in (await self.attempts_of([probe]))[probe.prompt]}
            if time.monotonic() > until:
                self.usual -= missing
                return served >= 3
            if not probe.ok or served >= 3:
                await asyncio.sleep(0.1)
        return True

    async def settle(self, within_s: float = 10.0) -> None:
        """Until the mocks serve nobody any more."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            health = [json.loads(await self._control("GET", url, "health")) for url in self.mocks.values()]
            if not any(each["serving"] for each in health):
                return
            await asyncio.sleep(0.05)

    # ---- the client

    async def ask(
        self, service_s: float = 0.0, *, prompt: int | None = None, user: int | None = None, stream: bool | None = None,
        patience_s: float = PATIENCE_S, url: str | None = None, tokens: int | None = None,
    ) -> Probe:  # fmt: skip
        """One request that the mock answers in ``service_s``; a new prompt of a new user unless told. Never raises, but CancelledError."""
        if prompt is None:
            prompt = self.prompt()
        if user is None:
            self.user = user = self.user + 1
        probe = Probe(prompt)
        document: dict[str, Any] = {
            "model": self.model,
            "user": f"u{user}",
            "messages": [{"role": "user", "content": write_prompt(prompt, INPUT_TOKENS, tokens or tokens_for(service_s, self.token_s))}],
        }
        if self.stream if stream is None else stream:
            document |= {"stream": True, "stream_options": {"include_usage": True}}
        self.sent.append(time.monotonic())
        self.asked.append(self.sent[-1])
        probe.sent_s = self.now()
        try:
            async with asyncio.timeout(patience_s):
                await self._exchange(probe, url or self.url, orjson.dumps(document))
        except TimeoutError:
            probe.error = f"left after {patience_s:g} s"
        except (aiohttp.ClientError, BrokenAnswer, OSError, ValueError) as error:
            probe.ok, probe.error = False, f"{type(error).__name__}: {error}"
        probe.ended_s = self.now()
        if not isnan(probe.sent):
            probe.sent_s = probe.sent - self.zero_s
        return probe

    async def _exchange(self, probe: Probe, url: str, body: bytes) -> None:
        async with self.session.post(url, data=body, headers=self.headers, trace_request_ctx=probe) as answer:
            probe.status = answer.status
            if answer.status >= 400:
                probe.error = error_text(await answer.content.read(MAX_ERROR_BYTES))
            elif answer.content_type == "text/event-stream":
                stream = ChatStream()
                while chunk := await answer.content.readany():
                    if stream.feed(chunk):
                        probe.chunks_s.append(self.now())
                stream.end()
                probe.ok = True
            else:
                read_whole(await answer.read())
                probe.ok = True
            if probe.chunks_s:
                probe.first_s = probe.chunks_s[0]

    async def together(self, count: int, service_s: float, **more: Any) -> list[Probe]:
        return list(await asyncio.gather(*(self.ask(service_s, **more) for _ in range(count))))

    async def one_by_one(self, count: int, service_s: float, every_s: float, **more: Any) -> list[Probe]:
        """So many, sent at even distances, whatever becomes of those before."""
        begun_s, tasks = self.now(), []
        for number in range(count):
            await asyncio.sleep(max(0.0, begun_s + number * every_s - self.now()))
            tasks.append(asyncio.create_task(self.ask(service_s, **more)))
        return list(await asyncio.gather(*tasks))

    async def clean(self, count: int) -> list[Probe]:
        """So many quick requests, one after the other."""
        return [await self.ask() for _ in range(count)]

    # ---- the mocks

    async def targets(self, count: int) -> list[str]:
        """Which ones so many quick requests went to, each one's first attempt."""
        await self.room(count)
        probes = await self.clean(count)
        attempts = await self.attempts_of(probes)
        return [attempts[probe.prompt][0].target for probe in probes if attempts[probe.prompt]]

    async def attempts(self) -> list[Attempt]:
        """Every attempt that has ended since ``begin``, in order of arrival."""
        found = []
        for name, url in self.mocks.items():
            for line in (await self._control("GET", url, "truth")).splitlines():
                row = json.loads(line)
                started_s, first_s = row["started_s"], row["first_token_s"]
                target, ended_s = f"{name}/{row['model']}", started_s + row["duration_s"]
                first_token_s = nan if first_s is None else first_s
                found.append(Attempt(row["prompt"], target, started_s, ended_s, row["status"], row["end"], first_token_s))
        return sorted(found, key=lambda attempt: attempt.started_s)

    async def attempts_of(self, probes: Sequence[Probe]) -> dict[int, list[Attempt]]:
        """By prompt; an empty list for one that no mock has seen."""
        mine: dict[int, list[Attempt]] = {probe.prompt: [] for probe in probes}
        for attempt in await self.attempts():
            if attempt.prompt in mine:
                mine[attempt.prompt].append(attempt)
        return mine

    async def strike(self, kind: str, providers: Sequence[str] | None = None, **more: Any) -> None:
        """A fault from now on, until ``heal``: see ``sim.scenario.faults``."""
        fault = {"kind": kind, "for": "1h", **more}
        names = list(self.mocks) if providers is None else providers
        await asyncio.gather(*(self._control("POST", self.mocks[name], "faults", fault) for name in names))
        self.faults += 1

    @asynccontextmanager
    async def slow_tokens(self) -> AsyncIterator[None]:
        """Long streams of few tokens, of which many at once do not keep this machine busy."""
        await self.strike("brownout", per_token_factor=SLOWER)
        self.token_s = TOKEN_S * SLOWER
        try:
            yield
        finally:
            self.token_s = TOKEN_S
            await self.heal()

    async def heal(self) -> None:
        if self.faults:
            await asyncio.gather(*(self._control("DELETE", url, "faults") for url in self.mocks.values()))
        self.faults = 0

    async def _control(self, method: str, url: str, path: str, document: dict[str, Any] | None = None) -> bytes:
        try:
            answer = await self.control.request(method, f"{url}/_mock/{path}", json=document)
        except httpx.HTTPError as error:
            raise RunFailed(f"the mock at {url} does not answer: {error or type(error).__name__}") from None
        if not answer.is_success:
            raise RunFailed(f"the mock at {url} answered {answer.status_code} to {path}: {answer.text[:200]}")
        return answer.content


def open_bench(url: str, mocks: Mapping[str, str], model: str, headers: Mapping[str, str] | None = None, key: str | None = None) -> Bench:
    """To be closed."""
    return Bench(open_session(key=key), url, mocks, model, headers)
