"""The gateway in front of mock providers of every dialect: all of them are asked and understood alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.gateway.dialects import DIALECTS
from mockprovider.supervisor import serving
from sim.gateway.language import load
from sim.workload.prompt_text import write_prompt
from tests.loadtest.gateway.fakes import events_of, gateway

pytestmark = pytest.mark.sockets
MODEL = "{m: {ttft: {kind: constant, value: 50ms}, per_token: {kind: constant, value: 5ms}, price: {input: 1, output: 2}}}"
SCENARIO = f"""
tenfold: 1
name: dialects
workload:
  arrivals: {{kind: poisson, rate: 1/s}}
  duration: 1m
  requests: [{{name: ask, tokens: {{input: {{kind: constant, value: 50}}, output: {{kind: constant, value: 20}}}}}}]
gateway:
  routing: {{kind: round-robin, models: [{", ".join(f"{name}/m" for name in DIALECTS)}]}}
  retry: {{attempts: 2, backoff: {{kind: none}}}}
providers:
""" + "".join(f"  {name}: {{dialect: {name}, limits: {{requests: 2/s}}, models: {MODEL}}}\n" for name in DIALECTS)


@pytest.fixture(scope="module")
def mocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[str, str]]]:
    """The scenario, and the URL of each provider."""
    path: Path = tmp_path_factory.mktemp("mocks") / "dialects.yaml"
    path.write_text(SCENARIO)
    loaded = load(path)
    with serving(loaded) as running:
        yield loaded.scenario, {mock.provider: mock.url for mock in running}


def test_answers_and_their_costs_are_the_same_in_every_dialect(mocks: tuple[Any, dict[str, str]]) -> None:
    scenario, urls = mocks

    async def run() -> None:
        async with gateway(scenario, **urls) as front:
            for number in range(len(DIALECTS)):
                status, headers, body = await front.ask(write_prompt(100, 50, 20), stream=True, stream_options={"include_usage": True})
                assert (status, headers["x-tenfold-outcome"]) == (200, "ok")
                events = events_of(body)
                assert events[-1] == "[DONE]"
                assert events[-2]["usage"]["completion_tokens"] == 20, number
            bodies = [json.loads((await front.ask(write_prompt(101, 50, 20)))[2]) for _ in DIALECTS]
            texts = {body["choices"][0]["message"]["content"] for body in bodies}
            assert len(texts) == 1
            rows = front.server.log.attempt_rows()
        assert sorted(rows["target"].tolist()) == sorted(2 * list(range(len(DIALECTS))))
        assert rows["output_tokens"].tolist() == [20] * 2 * len(DIALECTS)
        assert len(set(rows["input_tokens"].tolist())) == 1
        assert rows["first_token_s"] == pytest.approx(0.05, abs=0.04)

    asyncio.run(run())


def test_every_dialect_says_when_to_come_again(mocks: tuple[Any, dict[str, str]]) -> None:
    scenario, urls = mocks

    async def run() -> None:
        async with gateway(scenario, **urls) as front:
            await asyncio.sleep(1.1)  # for full counts
            await asyncio.gather(*(front.ask(write_prompt(200 + number, 50, 20)) for number in range(3 * len(DIALECTS))))
            attempts, requests = front.server.log.attempt_rows(), front.server.log.request_rows()
        refused = attempts[attempts["status"] == 429]
        assert sorted(refused["target"].tolist()) == list(range(len(DIALECTS)))
        waited = requests[requests["backoff_s"] > 0]
        assert len(waited) == len(DIALECTS)
        assert waited["backoff_s"].min() > 0.2

    asyncio.run(run())
