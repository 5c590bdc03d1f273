"""Answers of the reference gateway that no provider was asked for: cached, shared with who asked first, stale, canned."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from loadtest.gateway.answers import CANNED_TEXT
from sim.workload.prompt_text import write_prompt
from tests.loadtest.gateway.fakes import events_of, failing, fine, gateway, scenario
from tests.loadtest.stub import DONE, ROLE, STOP, WORD, stream

pytestmark = pytest.mark.sockets


def test_usage_goes_only_to_those_who_asked() -> None:
    async def run() -> None:
        async with gateway(scenario(), fine) as front:
            _, _, without = await front.ask(stream=True)
            _, _, with_usage = await front.ask(stream=True, stream_options={"include_usage": True})
            assert all(event == "[DONE]" or event["choices"] for event in events_of(without))
            assert events_of(with_usage)[-2]["usage"] == {"prompt_tokens": 7, "completion_tokens": 3}
            assert all(asked["stream_options"] == {"include_usage": True} for asked in front.providers[0].asked)

    asyncio.run(run())


def test_identical_prompts_are_answered_from_the_cache_streamed_or_not() -> None:
    cache = {"cache": [{"kind": "exact", "ttl": "5m"}]}

    async def run() -> None:
        async with gateway(scenario(cache), fine) as front:
            text = write_prompt(4711, 20, 3)
            await front.ask(text, stream=True)
            for streamed in (True, False):
                _, headers, body = await front.ask(text, stream=streamed)
                assert headers["x-tenfold-outcome"] == "cache_hit"
                said = events_of(body)[1]["choices"][0]["delta"] if streamed else json.loads(body)["choices"][0]["message"]
                assert said["content"] == "wordwordword"
            assert len(front.providers[0].asked) == 1
            await front.ask(write_prompt(4712, 20, 3))
            assert len(front.providers[0].asked) == 2

    asyncio.run(run())


def test_unmarked_prompts_are_the_same_only_if_everything_that_shapes_the_answer_is() -> None:
    async def run() -> None:
        async with gateway(scenario({"cache": [{"kind": "exact", "ttl": "5m"}]}), fine) as front:
            await front.ask("what is a queue?")
            await front.ask("what is a queue?", user="somebody else")
            assert len(front.providers[0].asked) == 1
            await front.ask("what is a queue?", temperature=0.9)
            await front.ask("what is a queue!")
            assert len(front.providers[0].asked) == 3

    asyncio.run(run())


def test_those_who_ask_the_same_meanwhile_wait_for_the_one_answer() -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        return await stream(request, 0.2, ROLE, WORD, STOP, DONE)

    async def run() -> None:
        async with gateway(scenario({"cache": [{"kind": "exact", "ttl": "5m"}]}), slow) as front:
            answers = await asyncio.gather(*(front.ask("same") for _ in range(5)))
            assert sorted(headers["x-tenfold-outcome"] for _, headers, _ in answers) == ["cache_hit"] * 4 + ["ok"]
            assert len({body.partition(b'"message"')[2] for _, _, body in answers}) == 1
            assert len(front.providers[0].asked) == 1

    asyncio.run(run())


def test_when_nobody_answers_a_stale_answer_goes_before_the_canned_one() -> None:
    healthy = True

    async def sometimes(request: web.Request) -> web.StreamResponse:
        return await (fine if healthy else failing)(request)

    async def run() -> None:
        nonlocal healthy
        policy = {"cache": [{"kind": "exact", "ttl": "100ms"}], "fallback": ["stale-cache", "canned"]}
        async with gateway(scenario(policy), sometimes) as front:
            await front.ask("known")
            healthy = False
            await asyncio.sleep(0.15)
            _, headers, stale = await front.ask("known")
            assert headers["x-tenfold-outcome"] == "stale"
            assert json.loads(stale)["choices"][0]["message"]["content"] == "wordwordword"
            _, headers, canned = await front.ask("unknown", stream=True)
            assert headers["x-tenfold-outcome"] == "canned"
            assert events_of(canned)[1]["choices"][0]["delta"]["content"] == CANNED_TEXT

    asyncio.run(run())
