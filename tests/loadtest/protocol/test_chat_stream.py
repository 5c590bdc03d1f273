"""Server-sent events and chat completions, however the network cuts them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.gateway.dialects.openai import OpenAIReader
from loadtest.protocol import sse
from loadtest.protocol.chat_stream import BrokenAnswer, ChatStream, error_text, has_content, read_chunk, read_whole
from loadtest.protocol.sse import EventParser
from tests.loadtest.stub import DONE, ROLE, STOP, USAGE, WORD

STREAM = b": hello\n\nevent: ping\ndata: one\n\ndata:two\r\ndata: three\r\n\r\nid: 4\ndata: four\n\n"
EVENTS = [(b"ping", b"one"), (b"", b"two\nthree"), (b"", b"four")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    parser = EventParser()
    places = [0, *sorted(cuts), len(STREAM)]
    events = [event for start, end in pairwise(places) for event in parser.feed(STREAM[start:end])]
    assert events == EVENTS
    assert not parser.torn


def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    parser = EventParser()
    parser.feed(b"data: " + b"x" * 900)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        parser.feed(b"x" * 200)


def test_an_unfinished_event_is_torn() -> None:
    parser = EventParser()
    assert parser.feed(b"data: half") == []
    assert parser.torn


def test_only_deltas_with_content_count() -> None:
    stream = ChatStream()
    assert stream.feed(ROLE) == 0
    assert stream.feed(WORD + WORD[:10]) == 1
    assert stream.feed(WORD[10:] + STOP + USAGE + DONE) == 1
    stream.end()
    assert (stream.deltas, stream.finish_reason, stream.usage["completion_tokens"], stream.done) == (2, "stop", 3, True)


def test_tool_calls_and_refusals_are_content_and_an_empty_delta_is_not() -> None:
    assert has_content({"tool_calls": [{"index": 0}]})
    assert has_content({"refusal": "no"})
    assert not has_content({"role": "assistant", "content": ""})
    assert not has_content({})
    assert not has_content(None)


def test_the_client_and_the_gateway_read_a_stream_alike() -> None:
    client, gateway = ChatStream(), OpenAIReader(include_usage=False)
    for piece in (ROLE, WORD + WORD, STOP, USAGE, DONE):
        assert client.feed(piece) == gateway.feed(piece).tokens
    assert (client.deltas, client.finish_reason) == (gateway.deltas, gateway.finish_reason) == (2, "stop")
    counted = client.usage["prompt_tokens"], client.usage["completion_tokens"]
    assert counted == (gateway.input_tokens, gateway.output_tokens)


def test_a_chunk_says_its_deltas_with_content_why_it_ended_and_the_usage() -> None:
    choices = [{"delta": {"role": "assistant"}}, {"delta": {"content": "a"}}, {"delta": {"content": "b"}, "finish_reason": "stop"}]
    assert read_chunk({"choices": choices}) == ([{"content": "a"}, {"content": "b"}], "stop", {})
    assert read_chunk({"choices": None, "usage": {"prompt_tokens": 1}}) == ([], None, {"prompt_tokens": 1})
    with pytest.raises(BrokenAnswer, match="overloaded"):
        read_chunk({"error": {"message": "overloaded", "type": "server_error"}})


def test_a_stream_without_a_finish_reason_is_broken_even_with_done() -> None:
    stream = ChatStream()
    stream.feed(ROLE + WORD + DONE)
    with pytest.raises(BrokenAnswer, match="ended after 1 deltas without a finish_reason"):
        stream.end()


@pytest.mark.parametrize("data", [b"data: {not json\n\n", b"data: [1, 2]\n\n", b'event: error\ndata: {"message": "x"}\n\n'])
def test_garbage_in_the_stream_is_a_broken_answer(data: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        ChatStream().feed(data)


def test_a_whole_answer_needs_choices_and_a_finish_reason() -> None:
    good = b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": {"completion_tokens": 1}}'
    assert read_whole(good) == (1, {"completion_tokens": 1})
    for bad in (b"{}", b'{"choices": []}', good.replace(b'"stop"', b"null"), b'{"error": {"message": "no"}}'):
        with pytest.raises(BrokenAnswer):
            read_whole(bad)


def test_the_text_of_an_error_is_its_message_or_what_came_instead() -> None:
    assert error_text(b'{"error": {"message": "slow down", "type": "rate"}}') == "slow down"
    assert error_text(b'{"detail": "not here"}') == '{"detail": "not here"}'
    assert error_text(b"<html>502</html>") == "<html>502</html>"
