"""The official OpenAI client takes the gateway for the real thing, whichever dialect stands behind it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from tests.loadtest.gateway.fakes import gateway, scenario
from tests.loadtest.gateway.test_dialects import ANSWER, GEMINI_ANSWER
from tests.loadtest.stub import DONE, ROLE, STOP, USAGE, WORD, stream

openai = pytest.importorskip("openai")
pytestmark = pytest.mark.sockets
ASK: dict[str, Any] = {"model": "small", "messages": [{"role": "user", "content": "hi"}]}


async def as_openai(request: web.Request) -> web.StreamResponse:
    return await stream(request, ROLE, WORD, WORD, WORD, STOP, USAGE, DONE)


async def as_anthropic(request: web.Request) -> web.StreamResponse:
    return await stream(request, ANSWER)


async def as_gemini(request: web.Request) -> web.StreamResponse:
    return await stream(request, GEMINI_ANSWER)


@pytest.mark.parametrize(
    ("dialect", "answer", "words", "tokens"),
    [
        ("openai", as_openai, "wordwordword", (7, 3)),
        ("azure", as_openai, "wordwordword", (7, 3)),
        ("anthropic", as_anthropic, "Hello there", (13, 2)),
        ("gemini", as_gemini, "Hello there", (13, 2)),
    ],
)
def test_streamed_and_whole_answers_are_understood(dialect: str, answer: Any, words: str, tokens: tuple[int, int]) -> None:
    async def run() -> None:
        async with gateway(scenario(dialects=(dialect,)), answer) as front:
            client = openai.AsyncOpenAI(base_url=f"{front.url}/v1", api_key="any")
            whole = await client.chat.completions.create(**ASK)
            assert whole.choices[0].message.content == words
            assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == tokens
            chunks = [
                chunk async for chunk in await client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
            ]
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == words
            assert next(chunk.choices[0].finish_reason for chunk in reversed(chunks) if chunk.choices) == "stop"
            assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == tokens
            assert [model.id async for model in client.models.list()] == ["small", "default"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("policy", "raised"),
    [
        ({"limits": {"global": {"requests": "1/h"}}}, "RateLimitError"),
        ({"timeout": {"total": "100ms"}}, "InternalServerError"),
    ],
)
def test_refusals_are_the_errors_that_clients_know(policy: dict[str, Any], raised: str) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, 0.5, WORD, STOP, DONE)

    async def run() -> None:
        async with gateway(scenario(policy), slow) as front:
            client = openai.AsyncOpenAI(base_url=f"{front.url}/v1", api_key="any", max_retries=0)
            await front.ask()
            with pytest.raises(getattr(openai, raised)) as caught:
                await client.chat.completions.create(**ASK)
            assert caught.value.body["message"]

    asyncio.run(run())


def test_a_stream_that_is_cut_off_raises_instead_of_ending_quietly() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, WORD)

    async def run() -> None:
        async with gateway(scenario(), cut) as front:
            client = openai.AsyncOpenAI(base_url=f"{front.url}/v1", api_key="any", max_retries=0)
            with pytest.raises(openai.APIError, match="No provider could answer"):
                async for _ in await client.chat.completions.create(**ASK, stream=True):
                    pass

    asyncio.run(run())
