"""Answers the gateway gives itself: whole ones put together from a stream, cached ones replayed, canned ones, refusals."""

from __future__ import annotations

import time
from collections import OrderedDict
from math import inf
from typing import Any, NamedTuple

import orjson

from sim.data.outcomes import ABANDONED, ERROR, RATE_LIMITED, REJECTED, TIMEOUT
from sim.gateway.stages import exact_cache, semantic_cache

CANNED_TEXT = "I am sorry, I cannot answer this right now. Please try again in a few minutes."
DONE = b"data: [DONE]\n\n"
MAX_STORED_BYTES = 256 * 1024 * 1024
SWEEP_EVERY = 1024  # bodies whose key the caches have forgotten are looked for once that many may have gathered

# outcome -> HTTP status, error type, message
REFUSALS: dict[int, tuple[int, str, str]] = {
    RATE_LIMITED: (429, "rate_limit_exceeded", "Too many requests: the gateway's rate limit is reached."),
    REJECTED: (503, "overloaded", "The gateway is full; no place became free in time."),
    ABANDONED: (499, "client_closed_request", "The client's patience ended in the queue."),
    TIMEOUT: (504, "timeout", "No provider answered in time."),
    ERROR: (502, "upstream_error", "No provider could answer."),
}
BROKE = (500, "internal_error", "The gateway made a mistake with this request; its log says which.")


class Message:
    """An assistant's message, put together from OpenAI deltas: text, reasoning, tool calls by their index."""

    __slots__ = ("_calls", "_reasoning", "_refusal", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}

    def add(self, delta: dict[str, Any]) -> None:
        if text := delta.get("content"):
            self._texts.append(text)
        if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
            self._reasoning.append(reasoning)
        if refusal := delta.get("refusal"):
            self._refusal.append(refusal)
        for part in delta.get("tool_calls") or ():
            call = self._calls.setdefault(part.get("index", 0), {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
            call["id"] = part.get("id") or call["id"]
            function = part.get("function") or {}
            call["function"]["name"] += function.get("name") or ""
            call["function"]["arguments"] += function.get("arguments") or ""

    def build(self) -> dict[str, Any]:
        """As a non-streamed answer has it."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._texts) if self._texts or not self._calls else None}
        if self._reasoning:
            message["reasoning_content"] = "".join(self._reasoning)
        if self._refusal:
            message["refusal"] = "".join(self._refusal)
        if self._calls:
            message["tool_calls"] = [self._calls[index] for index in sorted(self._calls)]
        return message


class Answer(NamedTuple):
    """A whole answer, to be written streamed or not."""

    message: dict[str, Any]
    finish_reason: str
    model: str
    input_tokens: int
    output_tokens: int

    def _head(self, kind: str, request: int) -> dict[str, Any]:
        return {"id": f"chatcmpl-tenfold-{request}", "object": kind, "created": int(time.time()), "model": self.model}

    def whole(self, request: int) -> bytes:
        choice = {"index": 0, "message": self.message, "logprobs": None, "finish_reason": self.finish_reason}
        usage = usage_of(self.input_tokens, self.output_tokens)
        return orjson.dumps({**self._head("chat.completion", request), "choices": [choice], "usage": usage})

    def streamed(self, request: int, include_usage: bool) -> bytes:
        """All of it as one content chunk: a stored answer need not be dribbled."""
        head = self._head("chat.completion.chunk", request)
        delta = dict(self.message)
        if "tool_calls" in delta:
            delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(delta["tool_calls"])]
        choices: list[tuple[dict[str, Any], str | None]] = [
            ({"role": "assistant", "content": ""}, None),
            (delta, None),
            ({}, self.finish_reason),
        ]
        documents = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in choices]
        if include_usage:
            documents.append({**head, "choices": [], "usage": usage_of(self.input_tokens, self.output_tokens)})
        return b"".join(b"data: " + orjson.dumps(document) + b"\n\n" for document in documents) + DONE


CANNED_ANSWER = Answer({"role": "assistant", "content": CANNED_TEXT}, "stop", "canned", 0, 0)


def usage_of(input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "total_tokens": input_tokens + output_tokens}


def error_body(message: str, kind: str, param: str | None = None) -> bytes:
    return orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": kind}})


def is_kept(g: Any, key: int) -> bool:
    """Whether a cache of any kind has the answer to a prompt."""
    return (
        bool(g.prompts and key in g.prompts and g.prompts[key].kept)
        or bool(g.similar and key in g.similar and g.similar[key].kept)
        or bool(g.edge_answers and key in g.edge_answers and max(g.edge_answers[key]) > -inf)
    )


def give_up(g: Any, key: int) -> None:
    """Every cache forgets the answer to a prompt."""
    if g.prompts and key in g.prompts and g.prompts[key].kept:
        exact_cache.drop(g, key, g.prompts[key].cache)
    if g.similar and key in g.similar and g.similar[key].kept:
        semantic_cache.drop(g, key)
    if g.edge_answers:
        g.edge_answers.pop(key, None)


class BodyStore:
    """The answers behind the caches of a gateway ``g``, which themselves know only keys and times. Bounded by bytes.

    An answer that has to go for lack of room takes its key along: what a cache calls kept can always be replayed.
    """

    def __init__(self, g: Any, max_bytes: int = MAX_STORED_BYTES) -> None:
        self.g = g
        self.max_bytes = max_bytes
        self.bytes = 0
        self._answers: OrderedDict[int, tuple[Answer, int]] = OrderedDict()  # with its size

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: int) -> Answer | None:
        found = self._answers.get(key)
        if found is None:
            return None
        self._answers.move_to_end(key)
        return found[0]

    def put(self, key: int, answer: Answer) -> None:
        """Keep the answer, if a cache has just kept its key."""
        if not self.is_kept(key):
            return
        size = 512 + len(orjson.dumps(answer.message))
        self._drop(key)
        self._answers[key] = (answer, size)
        self.bytes += size
        while self.bytes > self.max_bytes:
            oldest = next(iter(self._answers))
            self._drop(oldest)
            give_up(self.g, oldest)
        if len(self._answers) > SWEEP_EVERY + sum(len(table) for table in (self.g.prompts, self.g.similar, self.g.edge_answers) if table):
            for forgotten in [key for key in self._answers if not self.is_kept(key)]:
                self._drop(forgotten)

    def is_kept(self, key: int) -> bool:
        return is_kept(self.g, key)

    def _drop(self, key: int) -> None:
        found = self._answers.pop(key, None)
        if found is not None:
            self.bytes -= found[1]
