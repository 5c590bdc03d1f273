"""The mock does what the model planned: same draws, same faults, same moments, whatever the order of arrival."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from mockprovider.supervisor import serving
from sim.gateway.language import load
from sim.provider.behaviour import Plan, ProviderState
from sim.workload.prompt_text import write_prompt
from tests.mockprovider.conftest import Handle

pytestmark = pytest.mark.sockets

SCENARIO = """
tenfold: 1
name: agreement
seed: 23
workload:
  arrivals: {kind: poisson, rate: 1/s}
  duration: 1h
  requests: [{name: ask, tokens: {input: {kind: constant, value: 20}, output: {kind: constant, value: 12}}}]
gateway: {routing: {kind: round-robin, models: [openai/m]}}
providers:
  openai:
    rtt: 3ms
    errors: {rate: 0.1, status: 500, after: {kind: uniform, low: 5ms, high: 20ms}}
    models:
      m:
        ttft: {kind: lognormal, median: 30ms, sigma: 0.5}
        per_token: {kind: lognormal, median: 2ms, sigma: 0.4}
        correlation: 0.6
        ttft_per_1k: 40ms
        price: {input: 1, output: 2}
faults:
  - {kind: brownout, provider: openai, at: 0s, for: 1h, ttft_factor: 1.5, per_token_factor: 2}
  - {kind: rate-limit, provider: openai, at: 0s, for: 1h, share: 0.1}
  - {kind: reset, provider: openai, at: 0s, for: 1h, share: 0.1, after: 0.4}
  - {kind: errors, provider: openai, at: 0s, for: 1h, share: 0.05, status: 503}
"""
PROMPTS = [(prompt, 10 + prompt % 200, 5 + prompt % 30) for prompt in range(60)]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("scenario") / "agreement.yaml"
    Path(path).write_text(SCENARIO)
    return load(path)


@pytest.fixture(scope="module")
def mock(loaded: Any) -> Any:
    with serving(loaded) as running:
        yield Handle("openai", running[0].url)


def ask(handle: Handle, prompt: int, input_tokens: int, output_tokens: int, stream: bool) -> tuple[int, int, bytes]:
    """-> (prompt, status, body) with status 0 for a broken connection."""
    message = {"role": "user", "content": write_prompt(prompt, input_tokens, output_tokens)}
    body = {"model": "m", "messages": [message], "stream": stream}
    try:
        response = handle.post("/v1/chat/completions", json=body, timeout=30)
    except httpx.TransportError:
        return prompt, 0, b""
    return prompt, response.status_code, response.content


def ask_all(handle: Handle, order: list[tuple[int, int, int]], stream: bool) -> dict[int, tuple[int, bytes]]:
    handle.restart()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda request: ask(handle, *request, stream), order))
    return {prompt: (status, body) for prompt, status, body in answers}


def planned(loaded: Any) -> dict[int, Plan]:
    """What the model's own provider plans for every prompt."""
    provider = ProviderState(loaded.scenario, "openai", loaded.scenario.seed)
    plans = {}
    for prompt, input_tokens, output_tokens in PROMPTS:
        plans[prompt] = provider.begin(1.0, "m", 0, prompt, input_tokens, output_tokens)
        provider.finish(plans[prompt], 1.0)
    return plans


@pytest.mark.parametrize("stream", [True, False])
def test_every_answer_is_the_one_that_the_model_planned(loaded: Any, mock: Handle, stream: bool) -> None:
    plans = planned(loaded)
    answers = ask_all(mock, PROMPTS, stream)
    rows = {row["prompt"]: row for row in mock.settled(len(PROMPTS))}
    assert {plan.status for plan in plans.values()} == {200, 429, 500, 503}, "the scenario tries everything"
    assert {plan.final_status for plan in plans.values() if plan.status == 200} == {200, 0}
    for prompt, plan in plans.items():
        row = rows[prompt]
        assert answers[prompt][0] == plan.final_status or (stream and plan.final_status == 0)
        assert (row["status"], row["input_tokens"], row["output_tokens"]) == (plan.status, plan.input_tokens, plan.output_tokens)
        assert row["first_token_s"] == (plan.first_token_s if stream or plan.status != 200 else plan.duration_s)
        assert row["per_token_s"] == plan.per_token_s
    late = sorted(rows[prompt]["duration_s"] - plan.duration_s for prompt, plan in plans.items())
    assert late[0] > -0.001, "no answer ends before its time"
    assert late[len(late) // 10] < 0.01, "nor much after it, where nothing else held the processor"


def test_bodies_usage_and_delays_do_not_depend_on_the_order_of_arrival(mock: Handle) -> None:
    shuffled = random.Random(3).sample(PROMPTS, len(PROMPTS))
    before = ask_all(mock, PROMPTS, False)
    delays = {row["prompt"]: (row["first_token_s"], row["per_token_s"]) for row in mock.settled(len(PROMPTS))}
    after = ask_all(mock, shuffled, False)
    assert after == before, "status and body, byte by byte"
    assert {row["prompt"]: (row["first_token_s"], row["per_token_s"]) for row in mock.settled(len(PROMPTS))} == delays
    assert len({body for _, body in before.values()}) > 40, "and they are different answers"


def test_the_same_prompt_again_is_another_occurrence_with_another_delay(mock: Handle) -> None:
    mock.restart()
    for _ in range(4):
        ask(mock, 7, 20, 5, False)
    rows = mock.settled(4)
    assert [row["occurrence"] for row in rows] == [0, 1, 2, 3]
    assert len({row["first_token_s"] for row in rows}) > 1


def test_a_fault_begins_and_ends_at_its_time(mocks: Callable[[str], Handle]) -> None:
    handle = mocks("openai")
    handle.restart({"kind": "outage", "at": "200ms", "for": "200ms"})
    while not (rows := handle.truth()) or rows[-1]["started_s"] < 0.5:
        handle.post("/v1/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": "x"}]})
    assert {row["status"] for row in rows} == {200, 503}
    for row in rows:
        assert (row["status"] == 503) == (0.2 <= row["started_s"] < 0.4), row
