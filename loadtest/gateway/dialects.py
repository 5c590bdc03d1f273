"""Provider dialects: how a chat completion is asked for, and how the stream that comes back reads as OpenAI chunks.

The gateway always asks for a stream, also for a client that wants the answer whole: only so can it see the first content and what was
produced when it has to cut. Anthropic events are translated as they come; OpenAI events pass as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import orjson

from loadtest.gateway.answers import Message, usage_of
from loadtest.gateway.parsing import text_of
from loadtest.gateway.world import Piece
from loadtest.protocol.chat_stream import error_of, has_content
from loadtest.protocol.sse import EventParser

DONE = b"data: [DONE]\n\n"
ANTHROPIC_VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 4096  # Anthropic requires a bound, OpenAI does not
STOP_REASONS = {
    "end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls",
    "refusal": "content_filter",
}  # fmt: skip
PASSED_TO_ANTHROPIC = ("temperature", "top_p")
NOT_PASSED_TO_OPENAI = ("model", "messages", "stream", "stream_options")


class StreamReader(Protocol):
    """Reads one streamed answer. ``finish_reason`` is None until the provider said why it ended; ``message`` is what it has said so far."""

    finish_reason: str | None
    input_tokens: int | None
    model: str
    message: Message

    @property
    def output_tokens(self) -> int: ...

    def feed(self, chunk: bytes) -> Piece:
        """What ``chunk`` completed, as OpenAI chunks. Raises BrokenAnswer or ValueError."""


class _Reader:
    """What readers of all dialects learn from a stream."""

    def __init__(self, include_usage: bool) -> None:
        self._parser = EventParser()
        self._include_usage = include_usage
        self.message = Message()
        self._counted: int | None = None
        self.finish_reason: str | None = None
        self.input_tokens: int | None = None
        self.deltas = 0
        self.model = ""

    @property
    def output_tokens(self) -> int:
        """As the provider counts; before it has said so, one token per delta."""
        return self.deltas if self._counted is None else self._counted


class OpenAIReader(_Reader):
    """Events pass unchanged, except that a client that did not ask for usage does not get the usage chunk."""

    def feed(self, chunk: bytes) -> Piece:
        passed, before = [], self.deltas
        for _, data in self._parser.feed(chunk):
            if data == b"[DONE]" or self._read(orjson.loads(data)):
                passed.append(b"data: " + data + b"\n\n")
        return Piece(self.deltas - before, b"".join(passed))

    def _read(self, document: dict[str, Any]) -> bool:
        """Take note of one chunk. True if the client gets it."""
        if document.get("error"):
            raise error_of(document)
        self.model = document.get("model") or self.model
        if usage := document.get("usage"):
            self.input_tokens, self._counted = usage.get("prompt_tokens"), usage.get("completion_tokens")
        choices = document.get("choices") or ()
        for choice in choices:
            delta = choice.get("delta")
            if has_content(delta):
                self.deltas += 1
                self.message.add(delta)
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        return bool(choices) or self._include_usage


class AnthropicReader(_Reader):
    """Messages events -> chat completion chunks: text and thinking deltas, tool calls, stop reason, usage."""

    def __init__(self, include_usage: bool) -> None:
        super().__init__(include_usage)
        self._head: dict[str, Any] = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": ""}
        self._tools = -1

    def feed(self, chunk: bytes) -> Piece:
        passed, before = [], self.deltas
        for _, data in self._parser.feed(chunk):
            document = orjson.loads(data)
            handler = HANDLERS.get(document.get("type", ""))
            if handler is not None:
                passed.append(handler(self, document))
        return Piece(self.deltas - before, b"".join(passed))

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return b"data: " + orjson.dumps({**self._head, "choices": [choice]}) + b"\n\n"

    def _say(self, delta: dict[str, Any]) -> bytes:
        self.message.add(delta)
        return self._chunk(delta)

    def start(self, document: dict[str, Any]) -> bytes:
        message = document["message"]
        self.model = message.get("model", "")
        self._head = {**self._head, "id": message.get("id", ""), "model": self.model}
        usage = message.get("usage") or {}
        cached = (usage.get("cache_creation_input_tokens") or 0) + (usage.get("cache_read_input_tokens") or 0)
        self.input_tokens = (usage.get("input_tokens") or 0) + cached
        return self._chunk({"role": "assistant", "content": ""})

    def block(self, document: dict[str, Any]) -> bytes:
        content = document["content_block"]
        if content.get("type") != "tool_use":
            return b""
        self._tools += 1
        self.deltas += 1
        function = {"name": content.get("name", ""), "arguments": ""}
        return self._say({"tool_calls": [{"index": self._tools, "id": content.get("id", ""), "type": "function", "function": function}]})

    def delta(self, document: dict[str, Any]) -> bytes:
        delta = document["delta"]
        kind = delta.get("type")
        if kind == "text_delta":
            text = delta["text"]
            if text:
                self.deltas += 1
            return self._say({"content": text})
        if kind == "thinking_delta":
            self.deltas += 1
            return self._say({"reasoning_content": delta["thinking"]})
        if kind == "input_json_delta":
            self.deltas += 1
            return self._say({"tool_calls": [{"index": self._tools, "function": {"arguments": delta["partial_json"]}}]})
        return b""

    def message_delta(self, document: dict[str, Any]) -> bytes:
        self._counted = (document.get("usage") or {}).get("output_tokens", self._counted)
        reason = (document.get("delta") or {}).get("stop_reason")
        if reason is None:
            return b""
        self.finish_reason = STOP_REASONS.get(reason, "stop")
        return self._chunk({}, self.finish_reason)

    def stop(self, _: dict[str, Any]) -> bytes:
        if not self._include_usage:
            return DONE
        document = {**self._head, "choices": [], "usage": usage_of(self.input_tokens or 0, self.output_tokens)}
        return b"data: " + orjson.dumps(document) + b"\n\n" + DONE

    def error(self, document: dict[str, Any]) -> bytes:
        raise error_of(document)


HANDLERS: dict[str, Callable[[AnthropicReader, dict[str, Any]], bytes]] = {
    "message_start": AnthropicReader.start,
    "content_block_start": AnthropicReader.block,
    "content_block_delta": AnthropicReader.delta,
    "message_delta": AnthropicReader.message_delta,
    "message_stop": AnthropicReader.stop,
    "error": AnthropicReader.error,
}


def ask_openai(document: dict[str, Any], model: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The request body for an OpenAI-compatible provider: everything the client asked for, with this model and these messages."""
    passed = {field: value for field, value in document.items() if field not in NOT_PASSED_TO_OPENAI}
    return {**passed, "model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}


def ask_anthropic(document: dict[str, Any], model: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The request body for Anthropic's Messages API: text, system prompt, sampling, stop sequences, user, tools."""
    system = "\n\n".join(text_of(message) for message in messages if message["role"] in ("system", "developer"))
    stop = document.get("stop")
    asked: dict[str, Any] = {
        "model": model,
        "messages": [_anthropic_message(message) for message in messages if message["role"] not in ("system", "developer")],
        "max_tokens": document.get("max_completion_tokens") or document.get("max_tokens") or DEFAULT_MAX_TOKENS,
        "stream": True,
    }
    if system:
        asked["system"] = system
    if stop:
        asked["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if isinstance(document.get("user"), str):
        asked["metadata"] = {"user_id": document["user"]}
    if document.get("tools"):
        asked["tools"] = [
            {
                "name": tool["function"]["name"],
                "description": tool["function"].get("description", ""),
                "input_schema": tool["function"].get("parameters", {}),
            }
            for tool in document["tools"]
            if isinstance(tool, dict) and isinstance(tool.get("function"), dict) and "name" in tool["function"]
        ]
    asked |= {field: document[field] for field in PASSED_TO_ANTHROPIC if document.get(field) is not None}
    return asked


def _anthropic_message(message: dict[str, Any]) -> dict[str, Any]:
    """Roles are user and assistant only; a tool's result is something the user says, a tool call something the assistant did."""
    if message["role"] == "tool":
        return {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": message.get("tool_call_id", ""), "content": text_of(message)}],
        }
    calls = message.get("tool_calls") or []
    if message["role"] == "assistant" and calls:
        content: list[dict[str, Any]] = [{"type": "text", "text": text}] if (text := text_of(message)) else []
        for call in calls:
            function = call.get("function") or {}
            arguments = orjson.loads(function.get("arguments") or "{}")
            content.append({"type": "tool_use", "id": call.get("id", ""), "name": function.get("name", ""), "input": arguments})
        return {"role": "assistant", "content": content}
    return {"role": "assistant" if message["role"] == "assistant" else "user", "content": text_of(message)}


def openai_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def anthropic_key(key: str) -> dict[str, str]:
    return {"x-api-key": key, "anthropic-version": ANTHROPIC_VERSION}


class Dialect(NamedTuple):
    path: str
    ask: Callable[[dict[str, Any], str, list[dict[str, Any]]], dict[str, Any]]
    authorize: Callable[[str], dict[str, str]]
    reader: Callable[[bool], StreamReader]


DIALECTS: dict[str, Dialect] = {
    "openai": Dialect("/v1/chat/completions", ask_openai, openai_key, OpenAIReader),
    "anthropic": Dialect("/v1/messages", ask_anthropic, anthropic_key, AnthropicReader),
}
