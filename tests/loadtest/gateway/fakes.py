"""The gateway's server inside the test process, and provider servers that do as they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from loadtest.gateway.server import GatewayServer
from sim.gateway.language import Scenario
from tests.loadtest.stub import DONE, ROLE, STOP, USAGE, WORD, stream

Answer = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


def scenario(gateway: dict[str, Any] | None = None, dialects: tuple[str, ...] = ("openai",), **more: Any) -> Scenario:
    """One provider p0, p1 … per dialect, each with a model m; tried in this order."""
    providers = {
        f"p{number}": {"dialect": dialect, "keys": 2, "models": {"m": {"latency": "10ms", "price": {"input": 1, "output": 2}}}}
        for number, dialect in enumerate(dialects)
    }
    for provider in providers.values():
        provider["models"]["m"]["latency"] = {"kind": "constant", "value": "10ms"}  # type: ignore[index]
    capable = [f"{name}/m" for name in providers]
    return Scenario.model_validate(
        {
            "tenfold": 1,
            "name": "fake",
            "workload": {
                "arrivals": {"kind": "poisson", "rate": "1/s"},
                "duration": "1m",
                "requests": [
                    {"name": "ask", "tokens": {"input": {"kind": "constant", "value": 1}, "output": {"kind": "constant", "value": 1}}}
                ],
            },
            "gateway": {"routing": {"kind": "capability", "small": capable}, **(gateway or {})},
            "providers": providers,
            **more,
        }
    )


class Provider:
    """Answers with ``answer``; keeps what it was asked. ``left`` counts callers that went before the end."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.left = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        try:
            return await self.answer(request)
        except asyncio.CancelledError:
            self.left += 1
            raise


class Front:
    """A client of the gateway under test."""

    def __init__(self, url: str, server: GatewayServer, providers: list[Provider], session: aiohttp.ClientSession) -> None:
        self.url, self.server, self.providers, self.session = url, server, providers, session

    async def ask(self, text: str = "hello", stream: bool = False, **more: Any) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body)."""
        headers = more.pop("headers", {})
        body = {"model": "small", "messages": [{"role": "user", "content": text}], **({"stream": True} if stream else {}), **more}
        async with self.session.post(f"{self.url}/v1/chat/completions", json=body, headers=headers) as answer:
            return answer.status, {key.lower(): value for key, value in answer.headers.items()}, await answer.read()


@asynccontextmanager
async def gateway(what: Scenario, *answers: Answer, **elsewhere: str) -> AsyncIterator[Front]:
    """A gateway of ``what`` in front of one provider per answer; ``elsewhere``: providers that are at another URL."""
    async with AsyncExitStack() as stack:
        providers, urls = [Provider(answer) for answer in answers], {}
        for number, provider in enumerate(providers):
            app = web.Application()
            app.router.add_post("/v1/chat/completions", provider.handle)
            app.router.add_post("/v1/messages", provider.handle)
            urls[f"p{number}"] = await listen(stack, app)
        server = GatewayServer(what, "f" * 64, urls | elsewhere)
        url = await listen(stack, server.application())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Front(url, server, providers, session)


async def listen(stack: AsyncExitStack, app: web.Application) -> str:
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


async def fine(request: web.Request) -> web.StreamResponse:
    return await stream(request, ROLE, WORD, WORD, WORD, STOP, USAGE, DONE)


async def failing(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"message": "the model is unwell", "type": "server_error"}}, status=500)


def events_of(body: bytes) -> list[Any]:
    """Of a stream: what each event holds, ``[DONE]`` as it is."""
    lines = [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


async def until(holds: Callable[[], bool], within_s: float = 15.0) -> bool:
    """Whether it comes to hold in time."""
    for _ in range(int(within_s / 0.02)):
        if holds():
            return True
        await asyncio.sleep(0.02)
    return bool(holds())
