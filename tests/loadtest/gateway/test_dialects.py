"""Both dialects read as OpenAI chunks; requests are put as each provider wants them."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.gateway.dialects import DIALECTS, anthropic, openai
from loadtest.gateway.dialects.anthropic import AnthropicReader
from loadtest.gateway.dialects.openai import OpenAIReader
from loadtest.wire import BrokenAnswer, ChatStream
from tests.loadtest.stub import DONE, ROLE, STOP, USAGE, WORD


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def text(words: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": words})


START = event(
    "message_start",
    message={"id": "msg_1", "model": "claude", "usage": {"input_tokens": 9, "cache_read_input_tokens": 4, "output_tokens": 1}},
)
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
PING = event("ping")
END = event("content_block_stop", index=0)
STOPPED = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
OVER = event("message_stop")
ANSWER = START + BLOCK + PING + text("Hello") + text(" there") + END + STOPPED + OVER


@given(st.lists(st.integers(0, len(ANSWER)), max_size=8))
def test_an_anthropic_stream_is_a_whole_openai_stream_wherever_it_is_cut(cuts: list[int]) -> None:
    reader, client = AnthropicReader(include_usage=True), ChatStream()
    places, tokens = [0, *sorted(cuts), len(ANSWER)], 0
    for start, end in pairwise(places):
        piece = reader.feed(ANSWER[start:end])
        tokens += piece.tokens
        client.feed(piece.data)
    client.end()
    assert client.done
    assert tokens == client.deltas == 2
    assert client.usage == {"prompt_tokens": 13, "completion_tokens": 2, "total_tokens": 15}
    assert reader.message.build() == {"role": "assistant", "content": "Hello there"}
    assert (reader.finish_reason, reader.input_tokens, reader.output_tokens, reader.model) == ("stop", 13, 2, "claude")


def test_start_block_and_ping_are_no_content() -> None:
    reader = AnthropicReader(include_usage=False)
    assert reader.feed(START + BLOCK + PING).tokens == 0
    assert reader.feed(text("now")).tokens == 1
    assert reader.output_tokens == 1  # what is billed if it is cut here


def test_thinking_and_tool_calls_are_translated() -> None:
    reader, client = AnthropicReader(include_usage=False), ChatStream()
    stream = (
        START
        + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"})
        + event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "x"})
        + event("content_block_start", index=1, content_block={"type": "tool_use", "id": "t1", "name": "look_up"})
        + event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a":'})
        + event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": "1}"})
        + event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 9})
        + OVER
    )
    piece = reader.feed(stream)
    client.feed(piece.data)
    assert client.finish_reason == "tool_calls"
    message = reader.message.build()
    assert message["reasoning_content"] == "hm"
    assert message["content"] is None
    assert message["tool_calls"] == [{"id": "t1", "type": "function", "function": {"name": "look_up", "arguments": '{"a":1}'}}]


def test_an_error_event_in_the_middle_breaks_the_answer() -> None:
    reader = AnthropicReader(include_usage=False)
    with pytest.raises(BrokenAnswer, match="Overloaded"):
        reader.feed(START + text("a") + event("error", error={"type": "overloaded_error", "message": "Overloaded"}))
    with pytest.raises(BrokenAnswer, match="gone"):
        OpenAIReader(include_usage=False).feed(WORD + b'data: {"error": {"message": "gone"}}\n\n')


@pytest.mark.parametrize("include_usage", [True, False])
def test_openai_events_pass_unchanged_but_for_usage_that_nobody_asked_for(include_usage: bool) -> None:
    reader = OpenAIReader(include_usage)
    piece = reader.feed(ROLE + WORD + WORD + STOP + USAGE + DONE)
    assert piece.tokens == 2
    assert piece.data == ROLE + WORD + WORD + STOP + (USAGE if include_usage else b"") + DONE
    assert (reader.input_tokens, reader.output_tokens, reader.finish_reason) == (7, 3, "stop")


def test_openai_tool_calls_come_together_from_their_parts() -> None:
    def call(**fields: Any) -> bytes:
        delta = {"tool_calls": [{"index": 0, **fields}]}
        return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"

    reader = OpenAIReader(include_usage=False)
    reader.feed(
        call(id="c1", function={"name": "find", "arguments": ""})
        + call(function={"arguments": '{"x"'})
        + call(function={"arguments": ":2}"})
    )
    assert reader.message.build()["tool_calls"] == [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"x":2}'}}]


CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "up?"}]},
    {"role": "assistant", "content": "One moment.", "tool_calls": [{"id": "t1", "function": {"name": "look", "arguments": '{"at": 1}'}}]},
    {"role": "tool", "tool_call_id": "t1", "content": "the sky"},
    {"role": "user", "content": "And now?"},
]


def test_openai_is_asked_for_a_stream_with_everything_the_client_wanted() -> None:
    asked = openai.ask({"model": "small", "messages": [], "temperature": 0.2, "user": "u7", "stream": False}, "gpt", CONVERSATION)
    assert asked == {
        "model": "gpt", "messages": CONVERSATION, "temperature": 0.2, "user": "u7", "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip


def test_anthropic_is_asked_in_its_own_words() -> None:
    tools = [{"type": "function", "function": {"name": "look", "description": "looks", "parameters": {"type": "object"}}}]
    document = {"max_tokens": 50, "stop": "END", "user": "u7", "top_p": 0.9, "tools": tools, "logit_bias": {}}
    assert anthropic.ask(document, "claude", CONVERSATION) == {
        "model": "claude",
        "max_tokens": 50,
        "stream": True,
        "system": "Be brief.",
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u7"},
        "top_p": 0.9,
        "tools": [{"name": "look", "description": "looks", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "What is up?"},
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "One moment."}, {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "the sky"}]},
            {"role": "user", "content": "And now?"},
        ],
    }
    assert anthropic.ask({}, "claude", CONVERSATION)["max_tokens"] == 4096


def test_each_dialect_has_its_own_key_header() -> None:
    assert DIALECTS["openai"].authorize("k") == {"Authorization": "Bearer k"}
    assert DIALECTS["anthropic"].authorize("k")["x-api-key"] == "k"
