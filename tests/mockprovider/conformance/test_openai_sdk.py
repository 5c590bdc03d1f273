"""The official OpenAI SDK against the mock: it must behave exactly as its documentation says it does against OpenAI."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.mockprovider.conformance.matrix import Case, broken_cases, check, parameters, status_cases

openai = pytest.importorskip("openai", reason="the official OpenAI SDK is not installed (pip install tenfold[conformance])")
pytestmark = [pytest.mark.sockets, pytest.mark.slow]

CLASSES = {
    400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError", 409: "ConflictError",
    422: "UnprocessableEntityError", 429: "RateLimitError",
}  # fmt: skip
STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504)
STREAM_ERRORS = {"reset": "APIConnectionError", "truncate": None, "stream-error": "APIError", "malformed": "JSONDecodeError",
                 "stall": "APITimeoutError"}  # fmt: skip
CASES = [case for status in STATUSES for case in status_cases(CLASSES, status)] + broken_cases(STREAM_ERRORS, "content_filter")
HELLO: Any = [{"role": "user", "content": "[tf:5:12]Hello there"}]


def client_of(handle: Any, **options: Any) -> Any:
    return openai.OpenAI(api_key=handle.key, base_url=f"{handle.url}/v1", **{"timeout": 10, **options})


@pytest.fixture
def client(openai_mock: Any) -> Any:
    return client_of(openai_mock)


@pytest.mark.parametrize("case", parameters(CASES))
def test_a_fault_has_the_documented_effect(case: Case, openai_mock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(stream: bool, **options: Any) -> None:
        answer = client_of(openai_mock, **options).chat.completions.create(model="m", messages=HELLO, stream=stream)
        reasons = [chunk.choices[0].finish_reason for chunk in answer] if stream else [answer.choices[0].finish_reason]
        if case.fault["kind"] == "content-filter":
            assert reasons[-1] == "content_filter"
        elif case.fault["kind"] == "truncate":
            assert reasons[-1] is None
        else:
            assert reasons[-1] == "stop"

    check(case, ask, openai_mock, monkeypatch)


def test_the_matrix_has_forty_cases() -> None:
    assert len(CASES) >= 40


def test_a_rate_limit_tells_how_long_to_wait_and_the_sdk_waits_so_long(mocks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = mocks("limited")
    limited.restart()
    client = client_of(limited)
    for _ in range(2):
        raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO)
    assert raw.headers["x-ratelimit-limit-requests"] == "2"
    assert raw.headers["x-ratelimit-remaining-requests"] == "0"
    assert raw.headers["x-ratelimit-reset-requests"].endswith("s")
    assert 970 <= int(raw.headers["x-ratelimit-remaining-tokens"]) <= 990, "3 + 12 tokens twice, and a little refilled"
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="m", messages=HELLO)
    monkeypatch.undo()
    assert all(29 < pause <= 30.1 for pause in slept)
    assert len(slept) == 2
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.type == "requests"
    assert "Limit 2" in caught.value.message


def test_a_wrong_key_an_unknown_model_and_a_long_prompt_are_named(openai_mock: Any, client: Any) -> None:
    with pytest.raises(openai.AuthenticationError) as wrong:
        openai.OpenAI(api_key="sk-other", base_url=f"{openai_mock.url}/v1").chat.completions.create(model="m", messages=HELLO)
    assert wrong.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-none", messages=HELLO)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model="small", messages=[{"role": "user", "content": "x" * 1000}])
    assert long.value.code == "context_length_exceeded"
    assert long.value.message.find("maximum context length is 100 tokens. However, your messages resulted in 250 tokens") > 0


def test_an_answer_has_usage_and_stops_at_the_limit(client: Any) -> None:
    answer = client.chat.completions.create(model="m", messages=HELLO)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 12, 15)
    assert len(answer.choices[0].message.content) == 48
    cut = client.chat.completions.create(model="m", messages=HELLO, max_completion_tokens=5)
    assert (cut.usage.completion_tokens, cut.choices[0].finish_reason) == (5, "length")


def test_a_stream_adds_up_to_the_whole_answer(client: Any, openai_mock: Any) -> None:
    whole = client.chat.completions.create(model="m", messages=HELLO).choices[0].message.content
    openai_mock.restart()
    chunks = list(client.chat.completions.create(model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == whole
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 12
    assert all(chunk.usage is None for chunk in chunks[:-1])


TOOL: Any = {"type": "function", "function": {"name": "look_up", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city", "days"]}}}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
def test_a_required_tool_is_called_with_arguments_that_fit_its_schema(client: Any, stream: bool) -> None:
    answer = client.chat.completions.create(model="m", messages=HELLO, tools=[TOOL], tool_choice="required", stream=stream)
    if stream:
        chunks = list(answer)
        calls = [chunk.choices[0].delta.tool_calls[0] for chunk in chunks if chunk.choices[0].delta.tool_calls]
        name, arguments, reason = calls[0].function.name, "".join(c.function.arguments for c in calls), chunks[-1].choices[0].finish_reason
    else:
        call = answer.choices[0].message.tool_calls[0]
        name, arguments, reason = call.function.name, call.function.arguments, answer.choices[0].finish_reason
    assert (name, arguments, reason) == ("look_up", '{"city":"mock","days":1}', "tool_calls")


def test_a_json_schema_is_answered_with_json_that_fits(client: Any) -> None:
    schema = {"type": "object", "properties": {"mood": {"enum": ["calm", "tense"]}}, "required": ["mood"]}
    asked: Any = {"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}}
    answer = client.chat.completions.create(model="m", messages=HELLO, response_format=asked)
    assert answer.choices[0].message.content == '{"mood":"calm"}'


def test_responses_whole_and_streamed_agree(client: Any, openai_mock: Any) -> None:
    whole = client.responses.create(model="m", input="[tf:6:12]Hello")
    assert (whole.status, whole.usage.output_tokens, len(whole.output_text)) == ("completed", 12, 48)
    openai_mock.restart()
    events = list(client.responses.create(model="m", input="[tf:6:12]Hello", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type.removeprefix("response.") for event in events if not event.type.endswith("delta")] == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.done", "content_part.done", "output_item.done",
        "completed",
    ]  # fmt: skip
    assert "".join(event.delta for event in events if event.type.endswith("delta")) == whole.output_text
    assert events[-1].response.output_text == whole.output_text


def test_a_response_that_reaches_its_limit_is_incomplete(client: Any) -> None:
    answer = client.responses.create(model="m", input="[tf:6:99]Hello", max_output_tokens=16)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_embeddings_are_unit_vectors_that_depend_on_the_text_alone(client: Any) -> None:
    first = client.embeddings.create(model="embed", input=["cat", "dog", "cat"], dimensions=256)
    again = client.embeddings.create(model="embed", input="cat", dimensions=256, encoding_format="float")
    cat, dog, cat_too = (item.embedding for item in first.data)
    assert cat == cat_too
    assert again.data[0].embedding == pytest.approx(cat, abs=1e-6)
    assert sum(x * x for x in cat) == pytest.approx(1, abs=1e-5)
    assert abs(sum(x * y for x, y in zip(cat, dog, strict=True))) < 0.3


def test_models_are_listed(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["embed", "m", "small"]
    assert client.models.retrieve("m").owned_by == "tenfold-mock"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_the_asynchronous_client_serves_many_at_once(openai_mock: Any) -> None:
    async def ask_all() -> list[Any]:
        async with openai.AsyncOpenAI(api_key=openai_mock.key, base_url=f"{openai_mock.url}/v1") as client:
            prompts: list[Any] = [[{"role": "user", "content": f"[tf:{i}:12]Hello"}] for i in range(50)]
            return await asyncio.gather(*(client.chat.completions.create(model="m", messages=prompt) for prompt in prompts))

    answers = asyncio.run(ask_all())
    assert len({answer.id for answer in answers}) == 50
    rows = openai_mock.settled(50)
    assert {row["prompt"] for row in rows} == set(range(50))
    starts_s = sorted(row["started_s"] for row in rows)
    assert starts_s[-1] - starts_s[0] < sum(row["duration_s"] for row in rows), "they were not served one after the other"


def test_azure_deployments_answer_and_refuse_as_azure_does(mocks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    azure = mocks("azure")
    azure.restart()
    client = openai.AzureOpenAI(api_key=azure.key, azure_endpoint=azure.url, api_version="2024-10-21")
    assert client.chat.completions.create(model="m", messages=HELLO).choices[0].finish_reason == "stop"
    chunks = list(client.chat.completions.create(model="m", messages=HELLO, stream=True))
    assert chunks[0].choices == []
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len(client.embeddings.create(model="embed", input="cat").data[0].embedding) == 1536
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="none", messages=HELLO)
    assert unknown.value.code == "DeploymentNotFound"
    azure.restart({"kind": "rate-limit", "first": 1})
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    assert client.chat.completions.create(model="m", messages=HELLO).usage.completion_tokens == 12
    assert slept == [1.0], "retry-after-ms of the mock"
