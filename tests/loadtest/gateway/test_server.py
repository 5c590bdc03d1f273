"""The reference gateway over real sockets: what clients, and what providers, get to see."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from loadtest.gateway.answers import CANNED_TEXT
from loadtest.gateway.log import unpack
from sim.marker import write_prompt
from sim.records import REFUSED, Outcome
from tests.loadtest.gateway.fakes import gateway, scenario
from tests.loadtest.stub import DONE, ROLE, STOP, USAGE, WORD, stream

pytestmark = pytest.mark.sockets


async def fine(request: web.Request) -> web.StreamResponse:
    return await stream(request, ROLE, WORD, WORD, WORD, STOP, USAGE, DONE)


async def failing(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"message": "the model is unwell", "type": "server_error"}}, status=500)


def events_of(body: bytes) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


async def until(holds: Any, within_s: float = 15.0) -> bool:
    for _ in range(int(within_s / 0.02)):
        if holds():
            return True
        await asyncio.sleep(0.02)
    return bool(holds())


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


def test_usage_goes_only_to_those_who_asked() -> None:
    async def run() -> None:
        async with gateway(scenario(), fine) as front:
            _, _, without = await front.ask(stream=True)
            _, _, with_usage = await front.ask(stream=True, stream_options={"include_usage": True})
            assert all(event == "[DONE]" or event["choices"] for event in events_of(without))
            assert events_of(with_usage)[-2]["usage"] == {"prompt_tokens": 7, "completion_tokens": 3}
            assert all(asked["stream_options"] == {"include_usage": True} for asked in front.providers[0].asked)

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


def test_keys_are_used_in_turn_and_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_KEY_P0_1", "a real one")

    async def run() -> None:
        async with gateway(scenario(), fine) as front:
            for _ in range(3):
                await front.ask()
            keys = [headers["Authorization"] for headers in front.providers[0].headers]
            assert keys == ["Bearer sk-mock-p0-0", "Bearer a real one", "Bearer sk-mock-p0-0"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("policy", "status", "outcome"),
    [
        ({"limits": {"global": {"requests": "1/h"}}}, 429, "rate_limited"),
        ({"queue": {"concurrency": 1, "waiting": 0}}, 503, "rejected"),
        ({"timeout": {"total": "150ms"}}, 504, "timeout"),
    ],
)
def test_each_refusal_has_its_status_and_its_outcome(policy: dict[str, Any], status: int, outcome: str) -> None:
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

    asyncio.run(run())


def test_an_error_of_the_provider_is_told_with_its_own_words() -> None:
    async def run() -> None:
        async with gateway(scenario(), failing) as front:
            status, headers, body = await front.ask(stream=True)
            assert (status, headers["x-tenfold-outcome"]) == (502, "error")
            assert "p0/m answered 500: the model is unwell" in json.loads(body)["error"]["message"]

    asyncio.run(run())


def test_a_provider_that_is_not_there_is_an_error_and_the_next_one_is_asked() -> None:
    async def run() -> None:
        two = scenario({"fallback": ["next-provider"]}, ("openai", "openai"))
        async with gateway(two, fine, fine, p0="http://127.0.0.1:9") as front:
            status, headers, _ = await front.ask()
            assert (status, headers["x-tenfold-outcome"]) == (200, "ok")
            assert [len(provider.asked) for provider in front.providers] == [0, 1]
            assert front.server.whole.attempts[0][9] == REFUSED

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
            assert headers["x-tenfold-outcome"] == "fallback"
            assert json.loads(stale)["choices"][0]["message"]["content"] == "wordwordword"
            _, headers, canned = await front.ask("unknown", stream=True)
            assert headers["x-tenfold-outcome"] == "fallback"
            assert events_of(canned)[1]["choices"][0]["delta"]["content"] == CANNED_TEXT

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
            provider, admission = front.providers[0], front.server.gateway.admission
            assert admission is not None
            if cancels:
                assert await until(lambda: provider.left == 1, 0.3)
                assert await until(lambda: admission.in_service == 0, 0.3)
            else:
                await asyncio.sleep(0.1)
                assert admission.in_service == 1
                assert await until(lambda: admission.in_service == 0)
                assert provider.left == 0
            assert await until(lambda: len(front.server.log) == 1)
            outcome = Outcome(int(front.server.log.rows()["outcome"][0]))
            assert outcome == (Outcome.ABANDONED if cancels else Outcome.OK)

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
            assert 'tenfold_requests_total{outcome="ok"} 1.0' in metrics
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
            assert front.server.whole.now_s == pytest.approx(100, abs=1)
            async with front.session.post(f"{front.url}/_tenfold/t0", json={"t0": "soon"}) as answer:
                assert answer.status == 400

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
