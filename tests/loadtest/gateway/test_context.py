"""The context policy on real messages holds exactly the tokens that the flow counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtest.gateway.answers import Answer, BodyStore
from loadtest.gateway.context import messages_for
from loadtest.gateway.parsing import ChatRequest, parse, text_of
from loadtest.generator.request_bodies import Call, messages_of
from sim.gateway.assembled import Gateway
from sim.policy.cache import CacheState, store
from sim.policy.context import context_tokens
from sim.policy.session import resume
from sim.scenario.model import ExactCache
from sim.scenario.units import Seconds
from sim.workload.prompt_text import count_tokens
from tests.loadtest.gateway.fakes import scenario

HISTORY = [30, 50, 20, 90, 40]
POLICIES: list[dict[str, Any]] = [
    {"kind": "full"},
    {"kind": "window", "turns": 0},
    {"kind": "window", "turns": 2},
    {"kind": "window", "turns": 9},
    {"kind": "summarize", "after_turns": 3, "keep_turns": 1, "summary_tokens": 25},
    {"kind": "summarize", "after_turns": 3, "keep_turns": 0, "summary_tokens": 3},
    {"kind": "summarize", "after_turns": 6, "keep_turns": 1},
    {"kind": "budget", "tokens": 130},
    {"kind": "budget", "tokens": 10},
]


def request_with(history: list[int]) -> ChatRequest:
    messages = [{"role": "system", "content": "sys!"}, *messages_of(Call(5, 0, 3, 77, len(history), 900, 12, 4, history))]
    return parse({"model": "small", "user": "u3", "messages": messages}, {"x-tenfold-conversation": "77"}, 0.0, 1, frozenset({"small"}))


def test_a_request_is_read_as_the_flow_needs_it() -> None:
    request = request_with(HISTORY)
    assert (request.user, request.conversation, request.turn, request.prompt, request.output_tokens) == (3, 77, 5, 900, 4)
    assert request.history == HISTORY
    assert request.input_tokens == 12 + 1
    assert request.needs == "small"


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: "-".join(map(str, policy.values())))
def test_what_goes_upstream_has_the_tokens_that_the_flow_counted(policy: dict[str, Any]) -> None:
    request = request_with(HISTORY)
    gateway = Gateway(scenario({"context": policy}), 0)
    messages = messages_for(request, gateway)
    assert sum(count_tokens(text_of(message)) for message in messages) == request.input_tokens + context_tokens(gateway.context, HISTORY)
    assert messages[0] == request.system[0]
    assert messages[-1] == request.current[0]


def test_the_turns_that_are_kept_are_the_newest_and_the_summary_says_what_the_others_were() -> None:
    request = request_with(HISTORY)
    gateway = Gateway(scenario({"context": {"kind": "summarize", "after_turns": 3, "keep_turns": 2, "summary_tokens": 60}}), 0)
    _, summary, *kept, _ = messages_for(request, gateway)
    assert kept == [message for turn in request.turns[-2:] for message in turn]
    assert summary["role"] == "system"
    assert request.turns[0][0]["content"][:16] in summary["content"]


def test_a_session_that_has_expired_starts_again_without_its_history() -> None:
    request = request_with(HISTORY)
    gateway = Gateway(scenario({"sessions": {"ttl": "1m"}}), 0)
    assert gateway.sessions is not None
    resume(gateway.sessions, 77, 4, 0.0)
    resume(gateway.sessions, 77, request.turn, 100.0)
    assert messages_for(request, gateway) == [*request.system, *request.current]
    resume(gateway.sessions, 78, 5, 100.0)
    request.conversation = 78  # never seen before: trusted with all it brings
    assert len(messages_for(request, gateway)) == 1 + 2 * len(HISTORY) + 1


def answer(size: int) -> Answer:
    return Answer({"role": "assistant", "content": "x" * size}, "stop", "m", 1, 1)


def test_stored_answers_are_bounded_by_bytes_and_take_their_keys_along() -> None:
    cache = CacheState(ExactCache(kind="exact", ttl=Seconds(60.0), capacity=100))
    bodies = BodyStore(cache, max_bytes=5000)
    for key in range(10):
        store(cache, key, 0.0)
        bodies.put(key, answer(600))
    assert bodies.bytes <= 5000
    assert 0 < len(bodies) < 10
    assert set(cache.expires_s) == {key for key in range(10) if bodies.get(key) is not None}


def test_an_answer_is_kept_only_while_the_flow_calls_it_cached() -> None:
    cache = CacheState(ExactCache(kind="exact", ttl=Seconds(60.0), capacity=4))
    bodies = BodyStore(cache)
    bodies.put(1, answer(1))
    assert bodies.get(1) is None  # the flow never stored it
    for key in range(5000):
        store(cache, key, 0.0)
        bodies.put(key, answer(1))
    assert len(bodies) < 2000
    assert bodies.get(4999) is not None


def test_one_answer_reads_the_same_streamed_or_whole() -> None:
    from loadtest.protocol.chat_stream import ChatStream, read_whole

    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    for message in ({"role": "assistant", "content": "hello"}, {"role": "assistant", "content": None, "tool_calls": calls}):
        stored = Answer(message, "stop", "m", 5, 2)
        stream = ChatStream()
        stream.feed(stored.streamed(1, include_usage=True))
        stream.end()
        assert (stream.deltas, stream.usage) == (read_whole(stored.whole(1))[0], read_whole(stored.whole(1))[1])
        assert json.loads(stored.whole(1))["choices"][0]["message"] == message
