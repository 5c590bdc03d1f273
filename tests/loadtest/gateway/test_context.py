"""The context policy on real messages holds exactly the tokens that the chain counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtest.gateway.answers import Answer, BodyStore
from loadtest.gateway.context import Histories, Summaries, messages_for, summary_request
from loadtest.gateway.parsing import ChatRequest, Names, parse, text_of
from loadtest.generator.request_bodies import Call, messages_of
from sim.gateway import chain
from sim.gateway.call import CONTINUE, PERFORM
from sim.gateway.stages import context, exact_cache, sessions, summary
from sim.workload.prompt_text import count_tokens, read_marker
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
    return parse({"model": "small", "user": "u3", "messages": messages}, {"x-tenfold-conversation": "77"}, 1, Names(scenario()))


def call_of(g: Any, request: ChatRequest, **more: Any) -> Any:
    """A call with the request's fields, past the session and the context stage."""
    c = chain.call_class(g)(
        **request.fields | more, history_start=g.history.keep(request.history), history_turns=len(request.history), slot=0
    )
    if g.sessions is not None:
        assert sessions.woken(g, c, c.arrival_s) == CONTINUE
    assert context.enter(g, c, c.arrival_s) == CONTINUE
    return c


def gateway(**policy: Any) -> Any:
    return chain.build(scenario(policy), 0, Histories())


def test_a_request_is_read_as_the_chain_needs_it() -> None:
    request = request_with(HISTORY)
    names = ("user", "conversation", "turn", "prompt", "answer_tokens", "prompt_tokens", "needs", "kind")
    assert [request.fields[name] for name in names] == [3, 77, 5, 900, 4, 12 + 1, 0, 0]
    assert request.history == HISTORY


def test_the_class_of_a_request_is_told_by_a_header() -> None:
    document = {"messages": [{"role": "user", "content": "hi"}]}
    names = Names(scenario())
    names.classes["other"] = 1
    assert [parse(document, {"x-tenfold-class": name}, 1, names).fields["kind"] for name in ("ask", "other", "unheard of")] == [0, 1, 0]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: "-".join(map(str, policy.values())))
def test_what_goes_upstream_has_the_tokens_that_the_chain_counted(policy: dict[str, Any]) -> None:
    request, g = request_with(HISTORY), gateway(context=policy)
    c = call_of(g, request)
    messages = messages_for(g, c, request)
    assert sum(count_tokens(text_of(message)) for message in messages) == c.input_tokens
    assert messages[0] == request.system[0]
    assert messages[-1] == request.current[0]


def test_the_turns_that_are_kept_are_the_newest_and_the_summary_says_what_the_others_were() -> None:
    request, g = request_with(HISTORY), gateway(context={"kind": "summarize", "after_turns": 3, "keep_turns": 2, "summary_tokens": 60})
    _, summary, *kept, _ = messages_for(g, call_of(g, request), request)
    assert kept == [message for turn in request.turns[-2:] for message in turn]
    assert summary["role"] == "system"
    assert request.turns[0][0]["content"][:16] in summary["content"]


def test_a_session_that_has_expired_starts_again_without_its_history() -> None:
    request, g = request_with(HISTORY), gateway(sessions={"ttl": "1m"})
    call_of(g, request, turn=4)
    assert messages_for(g, call_of(g, request, arrival_s=100.0), request) == [*request.system, *request.current]
    call_of(g, request, conversation=78, arrival_s=100.0)  # never seen before: trusted with all it brings
    assert len(messages_for(g, call_of(g, request, conversation=78, arrival_s=100.0), request)) == 1 + 2 * len(HISTORY) + 1


def answer(size: int) -> Answer:
    return Answer({"role": "assistant", "content": "x" * size}, "stop", "m", 1, 1)


def keep(g: Any, key: int) -> None:
    exact_cache.keep(g, key, 0, g.prompts[key], 0.0)


def test_stored_answers_are_bounded_by_bytes_and_take_their_keys_along() -> None:
    g = gateway(cache=[{"kind": "exact", "ttl": "1m", "capacity": 100}])
    bodies = BodyStore(g, max_bytes=5000)
    for key in range(10):
        keep(g, key)
        bodies.put(key, answer(600))
    assert bodies.bytes <= 5000
    assert 0 < len(bodies) < 10
    assert {key for key in range(10) if bodies.is_kept(key)} == {key for key in range(10) if bodies.get(key) is not None}


def test_an_answer_is_kept_only_while_a_cache_keeps_its_key() -> None:
    g = gateway(cache=[{"kind": "exact", "ttl": "1m", "capacity": 4}])
    bodies = BodyStore(g)
    bodies.put(1, answer(1))
    assert bodies.get(1) is None  # the cache never kept it
    for key in range(5000):
        keep(g, key)
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


def test_what_is_asked_for_a_summary_has_the_tokens_that_the_chain_counted_and_the_turns_that_are_new_to_it() -> None:
    policy = {"kind": "summarize", "after_turns": 3, "keep_turns": 1, "summary_tokens": 20, "model": "p0/m"}
    request, g = request_with(HISTORY), gateway(context=policy)
    c, summaries = call_of(g, request), Summaries()
    assert summary.enter(g, c, 0.0) == PERFORM
    (message,) = summary_request(g, c, request, summaries)[1]
    assert count_tokens(message["content"]) == c.input_tokens == 16 + sum(HISTORY[:4])
    assert read_marker(message["content"]) == (900, 20)
    assert request.turns[3][0]["content"] in message["content"]
    c.status, c.attempt_cost_usd = 200, 0.0
    assert summary.woken(g, c, 1.0) == CONTINUE
    summaries.keep(77, "They spoke of the weather.")
    messages = messages_for(g, c, request, summaries)
    assert messages[1]["content"].startswith("They spoke of the weather.")
    assert sum(count_tokens(text_of(each)) for each in messages) == c.input_tokens
    longer = request_with([*HISTORY, 70])
    c = call_of(g, longer)
    assert summary.enter(g, c, 2.0) == PERFORM
    (message,) = summary_request(g, c, longer, summaries)[1]
    assert count_tokens(message["content"]) == c.input_tokens == 16 + 20 + HISTORY[4]
    assert "They spoke of the weather." in message["content"]
