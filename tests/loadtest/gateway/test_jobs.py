"""Jobs over HTTP: 202 with a place to ask at, the answer there when it is done."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from loadtest.gateway import jobs
from tests.loadtest.gateway.fakes import Front, failing, fine, gateway, scenario
from tests.loadtest.stub import DONE, ROLE, STOP, WORD, stream

pytestmark = pytest.mark.sockets
AT_ONCE = {"jobs": {"workers": 1}}


async def slow(request: web.Request) -> web.StreamResponse:
    return await stream(request, ROLE, WORD, 0.3, WORD, STOP, DONE)


async def ask_for(front: Front, place: str, prefer: str = "wait=5") -> tuple[int, Any]:
    async with front.session.get(front.url + place, headers={"Prefer": prefer}) as answer:
        return answer.status, await answer.json()


def test_a_job_is_accepted_at_once_and_its_answer_is_whole() -> None:
    async def run() -> None:
        async with gateway(scenario(AT_ONCE), slow) as front:
            status, headers, body = await front.ask(stream=True)
            assert (status, json.loads(body)["status"]) == (202, "working")
            _, waiting, second = await front.ask("another")
            assert json.loads(second)["status"] == "waiting"
            assert (await ask_for(front, headers["location"], ""))[0] == 202
            for place in (headers["location"], waiting["location"], headers["location"]):
                status, answer = await ask_for(front, place)
                assert (status, answer["choices"][0]["finish_reason"]) == (200, "stop")
            rows = front.server.log.request_rows()
            assert (rows["accepted_s"] < 0.1).all()
            assert (rows["latency_s"] > 0.25).all()
            assert not front.server.histories.kept
            counted = [line for line in front.server.metrics.expose().decode().splitlines() if "_job_seconds" in line]
            assert 'tenfold_job_seconds_count{class="ask"} 2.0' in counted

    asyncio.run(run())


def test_a_job_that_failed_says_so_where_it_is_asked_for() -> None:
    async def run() -> None:
        async with gateway(scenario(AT_ONCE), failing) as front:
            _, headers, _ = await front.ask()
            status, answer = await ask_for(front, headers["location"])
            assert (status, answer["error"]["type"]) == (502, "upstream_error")

    asyncio.run(run())


def test_there_is_room_for_so_many() -> None:
    async def run() -> None:
        async with gateway(scenario({"jobs": {"workers": 1, "waiting": 0}}), slow) as front:
            assert (await front.ask())[0] == 202
            status, headers, _ = await front.ask()
            assert (status, headers["x-tenfold-refused-by"]) == (503, "job queue")

    asyncio.run(run())


def test_a_client_that_goes_after_the_acceptance_takes_nothing_along() -> None:
    async def run() -> None:
        async with gateway(scenario(AT_ONCE), slow) as front:
            async with aiohttp.ClientSession() as other:
                body = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}
                async with other.post(f"{front.url}/v1/chat/completions", json=body) as answer:
                    place = answer.headers["Location"]
            assert (await ask_for(front, place))[0] == 200

    asyncio.run(run())


def test_unknown_jobs_and_those_forgotten_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST", 1)

    async def run() -> None:
        async with gateway(scenario(AT_ONCE), fine) as front:
            places = []
            for _ in range(2):
                _, headers, _ = await front.ask()
                places.append(headers["location"])
                assert (await ask_for(front, places[-1]))[0] == 200
            assert [(await ask_for(front, place))[0] for place in (*places, "/v1/jobs/none")] == [404, 200, 404]

    asyncio.run(run())
