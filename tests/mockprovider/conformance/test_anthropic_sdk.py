"""The official Anthropic SDK against the mock: it must behave exactly as its documentation says it does against Anthropic."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockprovider.conformance.matrix import Case, broken_cases, check, parameters, status_cases

anthropic = pytest.importorskip("anthropic", reason="the official Anthropic SDK is not installed (pip install tenfold[conformance])")
pytestmark = [pytest.mark.sockets, pytest.mark.slow]

CLASSES = {
    400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError", 409: "ConflictError",
    413: "ContentTooLargeError", 422: "UnprocessableEntityError", 429: "RateLimitError", 529: "OverloadedError",
}  # fmt: skip
STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529)
STREAM_ERRORS = {"reset": "TransportError", "truncate": None, "stream-error": "APIStatusError", "malformed": "JSONDecodeError",
                 "stall": "TimeoutException"}  # fmt: skip
CASES = [case for status in STATUSES for case in status_cases(CLASSES, status)] + broken_cases(STREAM_ERRORS, "refusal")
HELLO: Any = [{"role": "user", "content": "[tf:5:12]Hello there"}]


def client_of(handle: Any, **options: Any) -> Any:
    return anthropic.Anthropic(api_key=handle.key, base_url=handle.url, **{"timeout": 10, **options})


@pytest.fixture
def client(anthropic_mock: Any) -> Any:
    return client_of(anthropic_mock)


@pytest.mark.parametrize("case", parameters(CASES))
def test_a_fault_has_the_documented_effect(case: Case, anthropic_mock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(stream: bool, **options: Any) -> None:
        answer = client_of(anthropic_mock, **options).messages.create(model="m", max_tokens=100, messages=HELLO, stream=stream)
        if stream:
            deltas = [event for event in answer if event.type == "message_delta"]
            reason = deltas[-1].delta.stop_reason if deltas else None
        else:
            reason = answer.stop_reason
        expected = {"content-filter": "refusal", "truncate": None}.get(case.fault["kind"], "end_turn")
        assert reason == expected

    check(case, ask, anthropic_mock, monkeypatch)


def test_the_matrix_has_forty_cases() -> None:
    assert len(CASES) >= 40


def test_an_error_names_its_type_and_request(anthropic_mock: Any, client: Any) -> None:
    anthropic_mock.restart({"kind": "errors", "status": 529})
    with pytest.raises(anthropic.InternalServerError) as caught:
        client.with_options(max_retries=0).messages.create(model="m", max_tokens=10, messages=HELLO)
    assert caught.value.status_code == 529
    assert caught.value.body["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    assert caught.value.request_id == caught.value.body["request_id"]


def test_limits_are_told_and_retry_after_is_honoured(mocks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = mocks("limited-anthropic")
    limited.restart()
    client = client_of(limited)
    for _ in range(2):
        raw = client.messages.with_raw_response.create(model="m", max_tokens=100, messages=HELLO)
    assert raw.headers["anthropic-ratelimit-requests-limit"] == "2"
    assert raw.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert raw.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    assert raw.headers["anthropic-ratelimit-input-tokens-limit"] == "1000"
    assert raw.headers["anthropic-ratelimit-output-tokens-limit"] == "500"
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(model="m", max_tokens=100, messages=HELLO)
    assert slept == [30.0, 30.0], "retry-after in whole seconds"
    assert caught.value.body["error"]["type"] == "rate_limit_error"


def test_a_wrong_key_an_unknown_model_and_a_long_prompt_are_named(anthropic_mock: Any, client: Any) -> None:
    with pytest.raises(anthropic.AuthenticationError) as wrong:
        anthropic.Anthropic(api_key="other", base_url=anthropic_mock.url).messages.create(model="m", max_tokens=9, messages=HELLO)
    assert wrong.value.body["error"] == {"type": "authentication_error", "message": "invalid x-api-key"}
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="claude-none", max_tokens=9, messages=HELLO)
    with pytest.raises(anthropic.BadRequestError) as long:
        client.messages.create(model="small", max_tokens=9, messages=[{"role": "user", "content": "x" * 1000}])
    assert long.value.body["error"]["message"] == "prompt is too long: 250 tokens > 100 maximum"


def test_the_streaming_helper_adds_up_to_the_whole_message(client: Any, anthropic_mock: Any) -> None:
    whole = client.messages.create(model="m", max_tokens=100, messages=HELLO)
    anthropic_mock.restart()
    with client.messages.stream(model="m", max_tokens=100, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens == 12
    assert final.stop_reason == "end_turn"
    cut = client.messages.create(model="m", max_tokens=5, messages=HELLO)
    assert (cut.usage.output_tokens, cut.stop_reason) == (5, "max_tokens")


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_used_with_input_that_fits_its_schema(client: Any, stream: bool) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    options: Any = {
        "model": "m", "max_tokens": 100, "messages": HELLO, "tools": [{"name": "look_up", "input_schema": schema}],
        "tool_choice": {"type": "any"},
    }  # fmt: skip
    if stream:
        with client.messages.stream(**options) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**options)
    assert message.stop_reason == "tool_use"
    assert (message.content[0].name, message.content[0].input) == ("look_up", {"city": "mock"})


def test_the_prompt_cache_is_written_once_and_then_read(client: Any, anthropic_mock: Any) -> None:
    long: Any = [{"role": "user", "content": "word " * 2000}]
    first, second = (client.messages.create(model="m", max_tokens=10, messages=long).usage for _ in range(2))
    assert (first.cache_creation_input_tokens, first.cache_read_input_tokens) == (2432, 0)
    assert (second.cache_creation_input_tokens, second.cache_read_input_tokens) == (0, 2432)
    assert first.input_tokens == second.input_tokens == 2500 - 2432
    follow_up: Any = [*long, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "and then?"}]
    assert client.messages.create(model="m", max_tokens=10, messages=follow_up).usage.cache_read_input_tokens == 2432
    assert [row["cached_tokens"] for row in anthropic_mock.settled(3)] == [0, 2432, 2432]


def test_tokens_are_counted_and_models_listed(client: Any) -> None:
    assert client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "x" * 40}]).input_tokens == 10
    assert [model.id for model in client.models.list()] == ["m", "small"]
