"""Which providers the reference gateway asks, with what, and when it stops."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from sim.data.outcomes import ABANDONED, OK
from sim.data.statuses import REFUSED
from tests.loadtest.gateway.fakes import fine, gateway, scenario, until
from tests.loadtest.stub import DONE, ROLE, STOP, WORD, stream

pytestmark = pytest.mark.sockets


def test_keys_are_used_in_turn_and_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_KEY_P0_1", "a real one")

    async def run() -> None:
        async with gateway(scenario(), fine) as front:
            for _ in range(3):
                await front.ask()
            keys = [headers["Authorization"] for headers in front.providers[0].headers]
            assert keys == ["Bearer sk-mock-p0-0", "Bearer a real one", "Bearer sk-mock-p0-0"]

    asyncio.run(run())


def test_a_provider_that_is_not_there_is_an_error_and_the_next_one_is_asked() -> None:
    async def run() -> None:
        two = scenario({"fallback": ["next-provider"]}, ("openai", "openai"))
        async with gateway(two, fine, fine, p0="http://127.0.0.1:9") as front:
            status, headers, _ = await front.ask()
            assert (status, headers["x-tenfold-outcome"]) == (200, "ok")
            assert [len(provider.asked) for provider in front.providers] == [0, 1]
            assert front.server.log.attempt_rows()["status"].tolist() == [REFUSED, 200]

    asyncio.run(run())


def test_nothing_of_a_failed_attempt_reaches_the_client_before_the_next_one_answers() -> None:
    async def breaks_before_content(request: web.Request) -> web.StreamResponse:
        response = await stream(request, ROLE.replace(b'"content": ""', b'"content": "", "x": "p0"'), 0.05)
        return response

    async def run() -> None:
        async with gateway(scenario({"fallback": ["next-provider"]}, ("openai", "openai")), breaks_before_content, fine) as front:
            status, _, body = await front.ask(stream=True)
            assert status == 200
            assert b'"x": "p0"' not in body
            assert [len(provider.asked) for provider in front.providers] == [1, 1]

    asyncio.run(run())


@pytest.mark.parametrize("cancels", [True, False])
def test_a_client_that_leaves_cancels_the_work_upstream_if_the_scenario_says_so(cancels: bool) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, WORD, 0.6, WORD, STOP, DONE)

    async def run() -> None:
        async with gateway(scenario({"cancel_on_disconnect": cancels, "queue": {"concurrency": 1}}), slow) as front:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await front.ask(stream=True)
            provider, admission = front.providers[0], front.server.g.admission
            if cancels:
                assert await until(lambda: provider.left == 1, 0.3)
                assert await until(lambda: admission.in_service == 0, 0.3)
            else:
                await asyncio.sleep(0.1)
                assert admission.in_service == 1
                assert await until(lambda: admission.in_service == 0)
                assert provider.left == 0
            assert await until(lambda: len(front.server.log) == 1)
            assert front.server.log.request_rows()["outcome"].tolist() == [ABANDONED if cancels else OK]

    asyncio.run(run())


@pytest.mark.parametrize("streamed", [True, False])
def test_a_hedge_answers_when_the_first_provider_is_slow_and_the_loser_is_cancelled(streamed: bool) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, 2.0, WORD, STOP, DONE)

    async def run() -> None:
        hedge = {"hedge": {"after": "100ms", "at_most": 1, "to": "next"}}
        async with gateway(scenario(hedge, ("openai", "openai")), slow, fine) as front:
            status, headers, body = await front.ask(stream=streamed)
            assert (status, headers["x-tenfold-outcome"]) == (200, "ok")
            assert body.count(b"word") == 3
            assert [len(provider.asked) for provider in front.providers] == [1, 1]
            assert await until(lambda: front.providers[0].left == 1)

    asyncio.run(run())
