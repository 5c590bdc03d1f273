"""Before a run one request tells whether the target can be measured, and if not, what to change. Small fake gateways, a real mock."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from loadtest.generator.plan import LoadPlan
from loadtest.processes.http_control import free_port
from loadtest.targets.probe import probe
from mockprovider.processes.supervisor import RunFailed
from mockprovider.supervisor import serving as serving_mocks
from sim.gateway.language import load
from tests.loadtest.stub import DONE, ROLE, STOP, WORD, Answer, plan_for, serving, stream

pytestmark = pytest.mark.sockets

SCENARIO = """
tenfold: 1
name: probed
workload:
  arrivals: {kind: poisson, rate: 10/s}
  duration: 10s
  client: {stream: true}
  requests: [{name: ask, needs: small, tokens: {input: 10, output: 3}}]
gateway: {routing: {kind: capability, small: [p/m]}}
providers:
  p: {models: {m: {ttft: 10ms, per_token: 1ms, price: {input: 1, output: 1}}}, errors: {rate: 1, status: 500}}
  q: {models: {m: {ttft: 10ms, per_token: 1ms, price: {input: 1, output: 1}}}}
"""


@pytest.fixture(scope="module")
def mocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    file = tmp_path_factory.mktemp("scenario") / "probed.yaml"
    file.write_text(SCENARIO)
    with serving_mocks(load(file)) as started:
        yield {mock.provider: mock.url for mock in started}


@pytest.fixture
def plan(tmp_path: Path) -> LoadPlan:
    file = tmp_path / "probed.yaml"
    file.write_text(SCENARIO)
    return plan_for(load(file).scenario, "to be set", tmp_path)


@contextmanager
def gateway(answer: Answer) -> Iterator[str]:
    """A fake gateway in a thread of its own."""
    ready, loop, url = threading.Event(), asyncio.new_event_loop(), []

    async def serve() -> None:
        async with serving(answer) as place:
            url.append(place)
            ready.set()
            await ended.wait()

    ended = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield url[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)


def passes_on(mocks: dict[str, str], provider: str, key: str = "", spoil: Callable[[bytes], bytes] = bytes) -> Answer:
    """A gateway that sends everything to one mock; ``spoil`` changes what comes back."""

    async def answer(request: web.Request) -> web.StreamResponse:
        document = {**await request.json(), "model": "m"}
        headers = {"Authorization": f"Bearer {key or f'sk-mock-{provider}-0'}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{mocks[provider]}/v1/chat/completions", json=document, headers=headers) as upstream,
        ):
            return web.Response(status=upstream.status, body=spoil(await upstream.read()), content_type=upstream.content_type)

    return answer


def refusing(status: int, message: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": message}}, status=status)

    return answer


async def answers_alone(request: web.Request) -> web.StreamResponse:
    return await stream(request, ROLE, WORD, STOP, DONE)


def ask(plan: LoadPlan, mocks: dict[str, str], answer: Answer, key: str | None = None) -> None:
    with gateway(answer) as url:
        probe(plan.load_scenario(), dataclasses.replace(plan, url=url), key, mocks)


def why_not(plan: LoadPlan, mocks: dict[str, str], answer: Answer) -> str:
    with pytest.raises(RunFailed) as failure:
        ask(plan, mocks, answer)
    return str(failure.value)


def test_a_gateway_that_passes_on_what_the_mocks_say_is_fit(plan: LoadPlan, mocks: dict[str, str]) -> None:
    ask(plan, mocks, passes_on(mocks, "q"))


def test_an_error_of_the_provider_is_not_the_gateways(plan: LoadPlan, mocks: dict[str, str]) -> None:
    ask(plan, mocks, passes_on(mocks, "p"))


def test_headers_key_and_the_gateways_own_model_name_are_sent(plan: LoadPlan, mocks: dict[str, str]) -> None:
    heard = []
    inner = passes_on(mocks, "q")

    async def answer(request: web.Request) -> web.StreamResponse:
        heard.append(((await request.json())["model"], request.headers["Authorization"], request.headers["X-Team"]))
        return await inner(request)

    named = dataclasses.replace(plan, models={"small": "gpt"}, headers={"X-Team": "blue"})
    ask(named, mocks, answer, key="secret")
    assert set(heard) == {("gpt", "Bearer secret", "blue")}
    assert len(heard) == 2, "as often as there are targets, so that taking turns begins anew"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (refusing(401, "no key"), "Give the gateway's client key: --key NAME"),
        (refusing(404, "unknown model small"), "--model small=ITS-NAME"),
        (refusing(404, "not found"), "--url takes the base URL"),
        (refusing(500, "no upstream"), "no mock was asked. Point the gateway's upstreams at the mocks (p at http://127.0.0.1:"),
        (answers_alone, "was answered, but no mock was asked"),
    ],
    ids=["wrong key", "wrong model", "wrong path", "no upstream", "ignores the mocks"],
)
def test_a_failure_says_what_to_change(plan: LoadPlan, mocks: dict[str, str], answer: Answer, says: str) -> None:
    assert says in why_not(plan, mocks, answer)


def test_an_answer_in_another_dialect_is_not_taken_for_one(plan: LoadPlan, mocks: dict[str, str]) -> None:
    anthropic = b'event: content_block_delta\ndata: {"type": "content_block_delta", "delta": {"text": "hello"}}\n\n'
    assert "no answer of the OpenAI chat completions API" in why_not(plan, mocks, passes_on(mocks, "q", spoil=lambda _: anthropic))


def test_a_wrong_key_for_the_mocks_is_told_from_one_of_the_client(plan: LoadPlan, mocks: dict[str, str]) -> None:
    says = why_not(plan, mocks, passes_on(mocks, "q", key="sk-of-somebody-else"))
    assert "its upstream keys must be sk-mock-p-0, sk-mock-q-0" in says
    assert "--key" not in says


def test_a_port_without_a_server_is_said(plan: LoadPlan, mocks: dict[str, str]) -> None:
    with pytest.raises(RunFailed, match=r"Does an HTTP server listen there, and is it the gateway's port\?"):
        probe(plan.load_scenario(), dataclasses.replace(plan, url=f"http://127.0.0.1:{free_port()}"), None, mocks)
