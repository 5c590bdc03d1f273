"""The reference gateway over real sockets: what clients get to see, its log and its clock."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from aiohttp import web

from loadtest.gateway.log import unpack
from tests.loadtest.gateway.fakes import events_of, fine, gateway, scenario
from tests.loadtest.stub import DONE, ROLE, STOP, USAGE, WORD, stream

pytestmark = pytest.mark.sockets


def test_a_stream_passes_through_as_it_comes() -> None:
    async def dribble(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, 0.1, WORD, 0.5, WORD, STOP, USAGE, DONE)

    async def run() -> None:
        async with gateway(scenario(), dribble) as front:
            loop = asyncio.get_running_loop()
            body = {"model": "small", "messages": [{"role": "user", "content": "hi"}], "stream": True}
            began = loop.time()
            async with front.session.post(f"{front.url}/v1/chat/completions", json=body) as answer:
                assert answer.headers["x-tenfold-outcome"] == "ok"
                assert answer.content_type == "text/event-stream"
                first = await answer.content.readany()
                first_s = loop.time() - began
                rest = await answer.read()
            assert first_s > 0.09  # not before there is any content
            assert loop.time() - began - first_s > 0.2  # nor only after the last
            events = events_of(first + rest)
            assert events[-1] == "[DONE]"
            assert [event["choices"][0]["delta"].get("content") for event in events[:-1]] == ["", "word", "word", None]

    asyncio.run(run())


def test_a_whole_answer_is_put_together_from_the_stream() -> None:
    async def run() -> None:
        async with gateway(scenario(), fine) as front:
            status, headers, body = await front.ask(temperature=0.5)
            answer = json.loads(body)
            assert (status, headers["x-tenfold-outcome"]) == (200, "ok")
            assert answer["choices"][0]["message"] == {"role": "assistant", "content": "wordwordword"}
            assert answer["choices"][0]["finish_reason"] == "stop"
            assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
            asked = front.providers[0].asked[0]
            assert (asked["model"], asked["stream"], asked["temperature"]) == ("m", True, 0.5)

    asyncio.run(run())


def test_health_models_metrics_and_what_is_not_there() -> None:
    async def run() -> None:
        async with gateway(scenario(), fine) as front:
            await front.ask()

            async def get(path: str) -> tuple[int, str]:
                async with front.session.get(front.url + path) as answer:
                    return answer.status, await answer.text()

            health = json.loads((await get("/healthz"))[1])
            assert (health["status"], health["scenario_sha256"]) == ("ok", "f" * 64)
            assert [model["id"] for model in json.loads((await get("/v1/models"))[1])["data"]] == ["small", "default"]
            metrics = (await get("/metrics"))[1]
            assert 'tenfold_requests_total{class="ask",outcome="ok",refused_by=""} 1.0' in metrics
            assert "tenfold_in_service 0.0" in metrics
            assert (await get("/nowhere"))[0] == 404
            assert (await get("/v1/chat/completions"))[0] == 405

    asyncio.run(run())


def test_its_log_tells_where_the_time_went() -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        return await stream(request, ROLE, 0.2, WORD, STOP, USAGE, DONE)

    async def run() -> None:
        async with gateway(scenario({"queue": {"concurrency": 1, "waiting": 10}}), slow) as front:
            await asyncio.gather(*(front.ask(f"text {number}", headers={"x-tenfold-request": str(number)}) for number in range(3)))
            async with front.session.get(f"{front.url}/_tenfold/log") as answer:
                requests, attempts, timeline, events = unpack(await answer.read())
        assert sorted(requests["request"]) == [0, 1, 2]
        began_s = np.sort(requests["arrival_s"] + requests["queue_wait_s"])
        assert np.all(np.diff(began_s) > 0.199), "one after the other"
        assert requests["queue_wait_s"].min() < 0.1
        assert np.all(requests["first_token_s"] > 0.199)
        whole_s = requests["queue_wait_s"] + requests["first_token_s"] + requests["generation_s"]
        assert np.all(np.abs(requests["latency_s"] - whole_s) < 0.1), "the parts add up"
        assert attempts["status"].tolist() == [200] * 3
        assert attempts["cost_usd"] == pytest.approx([(7 * 1 + 3 * 2) / 1e6] * 3)
        assert sorted(attempts["request"]) == [0, 1, 2]
        assert events == []
        assert timeline.dtype.names is not None

    asyncio.run(run())


def test_a_common_start_sets_its_clock() -> None:
    async def run() -> None:
        import time

        async with gateway(scenario(), fine) as front:
            async with front.session.post(f"{front.url}/_tenfold/t0", json={"t0": time.time() - 100}) as answer:
                assert answer.status == 200
            assert front.server.driver.now_s() == pytest.approx(100, abs=1)
            async with front.session.post(f"{front.url}/_tenfold/t0", json={"t0": "soon"}) as answer:
                assert answer.status == 400

    asyncio.run(run())
