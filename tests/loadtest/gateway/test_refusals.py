"""What the reference gateway refuses, and what it says of errors, over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from tests.loadtest.gateway.fakes import events_of, failing, fine, gateway, scenario, until
from tests.loadtest.stub import DONE, ROLE, STOP, WORD, stream

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize(
    ("policy", "status", "outcome", "limit"),
    [
        ({"limits": {"global": {"requests": "1/h"}}}, 429, "rate_limited", "global requests"),
        ({"queue": {"concurrency": 1, "waiting": 0}}, 503, "rejected", "queue"),
        ({"timeout": {"total": "150ms"}}, 504, "timeout", ""),
    ],
)
def test_each_refusal_has_its_status_its_outcome_and_who_refused(policy: dict[str, Any], status: int, outcome: str, limit: str) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, 0.4, WORD, STOP, DONE)

    async def run() -> None:
        async with gateway(scenario(policy), slow) as front:
            answers = await asyncio.gather(front.ask(), front.ask(text="another"))
            refused = [answer for answer in answers if answer[0] == status]
            assert refused
            assert {headers["x-tenfold-outcome"] for _, headers, _ in refused} == {outcome}
            assert json.loads(refused[0][2])["error"]["type"]
            assert ("retry-after" in refused[0][1]) == (status in (429, 503))
            assert refused[0][1].get("x-tenfold-refused-by", "") == limit
            assert (f"Refused by: {limit}." in json.loads(refused[0][2])["error"]["message"]) == bool(limit)

    asyncio.run(run())


def test_an_error_of_the_provider_is_told_with_its_own_words() -> None:
    async def run() -> None:
        async with gateway(scenario(), failing) as front:
            status, headers, body = await front.ask(stream=True)
            assert (status, headers["x-tenfold-outcome"]) == (502, "error")
            assert "p0/m answered 500: the model is unwell" in json.loads(body)["error"]["message"]

    asyncio.run(run())


def test_a_stream_that_breaks_after_its_first_content_is_not_retried_and_says_so() -> None:
    async def breaks(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, WORD, WORD)

    async def run() -> None:
        async with gateway(scenario({"retry": {"attempts": 3}}), breaks) as front:
            status, _, body = await front.ask(stream=True)
            assert status == 200
            assert events_of(body)[-1]["error"]["type"] == "upstream_error"
            assert len(front.providers[0].asked) == 1
            # A client that wants it whole has seen nothing yet, so there every attempt is used.
            status, _, _ = await front.ask()
            assert status == 502
            assert len(front.providers[0].asked) == 4

    asyncio.run(run())


def test_a_total_timeout_in_the_middle_of_a_stream_is_told_as_one() -> None:
    async def stalls(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, WORD, 3.0, STOP, DONE)

    async def run() -> None:
        async with gateway(scenario({"timeout": {"total": "200ms"}}), stalls) as front:
            _, _, body = await front.ask(stream=True)
            assert events_of(body)[-1]["error"]["type"] == "timeout"
            assert await until(lambda: front.providers[0].left == 1)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{not json", 400, "not valid JSON"),
        (b"[1, 2]", 400, "expected a JSON object"),
        (b'{"messages": []}', 400, "expected a list of messages"),
        (b'{"messages": [1]}', 400, "expected an object with a role"),
        (b'{"messages": [{"role": "assistant", "content": "hi"}]}', 400, "expected the first message of a conversation to be the user's"),
        (b'{"messages": [{"role": "system", "content": "hi"}]}', 400, "at least one message with the role user"),
        (b'{"messages": [{"role": "user", "content": 7}]}', 400, "text or a list of content parts"),
        (b'{"messages": [{"role": "user", "content": "x"}], "stream": 1}', 400, "expected true or false"),
        (b'{"messages": [{"role": "user", "content": "x"}], "model": 5}', 400, "expected a string"),
        (b'{"messages": [{"role": "user", "content": "x"}], "n": 2}', 400, "one answer at a time"),
        (b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": -1}', 400, "expected a positive integer"),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, 400, "not valid JSON"),
        (b'{"x": "' + b"y" * (9 * 1024 * 1024) + b'"}', 413, "Too Large"),
    ],
)
def test_a_bad_request_is_refused_in_words_before_any_provider_is_asked(body: bytes, status: int, words: str) -> None:
    async def run() -> None:
        async with gateway(scenario(), fine) as front:
            async with front.session.post(f"{front.url}/v1/chat/completions", data=body) as answer:
                said = await answer.json()
            assert answer.status == status
            assert words in said["error"]["message"], said
            assert not front.providers[0].asked
            assert (await front.ask())[0] == 200  # and the gateway goes on

    asyncio.run(run())


def test_a_header_that_is_no_number_or_far_too_long_is_refused() -> None:
    async def run() -> None:
        async with gateway(scenario(), fine) as front:
            assert (await front.ask(headers={"x-tenfold-request": "one"}))[0] == 400
            assert (await front.ask(headers={"x-tenfold-request": str(2**70)}))[0] == 400
            assert (await front.ask(headers={"x-long": "y" * 100_000}))[0] == 400

    asyncio.run(run())


def test_a_stage_that_raises_is_an_internal_error_of_that_request_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with gateway(scenario(), fine) as front:
            orders = front.server.g.orders
            front.server.g.orders.make = lambda: 1 / 0
            status, headers, body = await front.ask(headers={"x-tenfold-request": "4711"})
            assert (status, headers["x-tenfold-outcome"]) == (500, "error")
            assert json.loads(body)["error"]["type"] == "internal_error"
            orders.make = lambda: [-1]
            assert (await front.ask())[0] == 200

    asyncio.run(run())
    assert "request 4711 broke the gateway at " in caplog.text
