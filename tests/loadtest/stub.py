"""A chat server that answers as it is told, and a load plan against it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from loadtest.generator.dispatcher import Engine
from loadtest.generator.frames import FrameWriter
from loadtest.generator.plan import LoadPlan
from loadtest.generator.process import player_of
from sim.gateway.language import Scenario

Answer = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


ROLE = chunk({"role": "assistant", "content": ""})
WORD = chunk({"content": "word"})
STOP = chunk({}, "stop")
DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}\n\n'


async def stream(request: web.Request, *parts: bytes | float, **headers: str) -> web.StreamResponse:
    """Bytes are written, numbers are seconds to wait."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **headers})
    await response.prepare(request)
    for part in parts:
        if isinstance(part, bytes):
            await response.write(part)
        else:
            await asyncio.sleep(part)
    await response.write_eof()
    return response


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """The base URL of a server that gives ``answer`` to every chat completion, and to who asks for a job."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/v1/jobs/{id}", answer)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def scenario(
    arrivals: dict[str, Any] | None = None, duration: str = "500ms", client: dict[str, Any] | None = None, **workload: Any
) -> Scenario:
    """The smallest scenario: clockwork arrivals at 20/s unless told otherwise, short prompts, one provider."""
    return Scenario.model_validate(
        {
            "tenfold": 1,
            "name": "stub",
            "seed": 5,
            "workload": {
                "arrivals": arrivals or {"kind": "gamma", "rate": "20/s", "cv": 0},
                "duration": duration,
                "client": client or {},
                "requests": [
                    {"name": "ask", "tokens": {"input": {"kind": "constant", "value": 10}, "output": {"kind": "constant", "value": 3}}}
                ],
                **workload,
            },
            "gateway": {"routing": {"kind": "round-robin", "models": ["p/m"]}},
            "providers": {"p": {"models": {"m": {"latency": {"kind": "constant", "value": "10ms"}, "price": {"input": 1, "output": 1}}}}},
        }
    )


def plan_for(what: Scenario, url: str, folder: Path, **more: Any) -> LoadPlan:
    return LoadPlan(what.model_dump_json(by_alias=True, exclude_none=True), "0" * 64, url, str(folder), **more)


class Collected(FrameWriter):
    """Keeps the rows instead of sending them to a parent."""

    def __init__(self) -> None:
        self.batches: list[Any] = []

    def tell(self, document: dict[str, Any]) -> None:
        raise AssertionError(f"nothing is told while a test runs the engine: {document}")

    def rows(self, rows: Any) -> None:
        self.batches.append(rows)


async def play(what: Scenario, answer: Answer, folder: Path, **more: Any) -> tuple[Any, dict[str, Any]]:
    """Run the engine inside this process against a stub. Returns (samples in order of the schedule, closing report)."""
    import time

    import numpy as np

    async with serving(answer) as url:
        collected = Collected()
        engine = Engine(plan_for(what, url, folder, **more), collected, player_of)
        report = await engine.run(time.time() + 0.05)
    rows = np.concatenate(collected.batches)
    return rows[np.argsort(rows["request"], kind="stable")], report
