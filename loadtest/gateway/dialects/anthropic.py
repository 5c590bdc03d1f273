"""Anthropic's Messages API, translated to OpenAI chunks and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from loadtest.gateway.dialects.base import Dialect, Piece, Reader
from loadtest.gateway.parsing import text_of
from loadtest.wire import error_of

VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 4096  # Anthropic requires a bound, OpenAI does not
STOP_REASONS = {
    "end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls",
    "refusal": "content_filter",
}  # fmt: skip
PASSED = ("temperature", "top_p")


class AnthropicReader(Reader):
    """Messages events -> chat completion chunks: text and thinking deltas, tool calls, stop reason, usage."""

    def __init__(self, include_usage: bool) -> None:
        super().__init__(include_usage)
        self._tools = -1

    def feed(self, chunk: bytes) -> Piece:
        passed, before = [], self.deltas
        for _, data in self._parser.feed(chunk):
            document = orjson.loads(data)
            handler = HANDLERS.get(document.get("type", ""))
            if handler is not None:
                passed.append(handler(self, document))
        return Piece(self.deltas - before, b"".join(passed))

    def start(self, document: dict[str, Any]) -> bytes:
        message = document["message"]
        usage = message.get("usage") or {}
        self.cached_tokens = usage.get("cache_read_input_tokens") or 0
        self.input_tokens = (usage.get("input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0) + self.cached_tokens
        return self.begin(message.get("id", ""), message.get("model", ""))

    def block(self, document: dict[str, Any]) -> bytes:
        content = document["content_block"]
        if content.get("type") != "tool_use":
            return b""
        self._tools += 1
        function = {"name": content.get("name", ""), "arguments": ""}
        return self.say({"tool_calls": [{"index": self._tools, "id": content.get("id", ""), "type": "function", "function": function}]})

    def delta(self, document: dict[str, Any]) -> bytes:
        delta = document["delta"]
        kind = delta.get("type")
        if kind == "text_delta":
            text = delta["text"]
            return self.say({"content": text}) if text else b""
        if kind == "thinking_delta":
            return self.say({"reasoning_content": delta["thinking"]})
        if kind == "input_json_delta":
            return self.say({"tool_calls": [{"index": self._tools, "function": {"arguments": delta["partial_json"]}}]})
        return b""

    def message_delta(self, document: dict[str, Any]) -> bytes:
        self._counted = (document.get("usage") or {}).get("output_tokens", self._counted)
        reason = (document.get("delta") or {}).get("stop_reason")
        if reason is None:
            return b""
        self.finish_reason = STOP_REASONS.get(reason, "stop")
        return self.chunk({}, self.finish_reason)

    def stop(self, _: dict[str, Any]) -> bytes:
        return self.end()

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


def ask(document: dict[str, Any], model: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Text, system prompt, sampling, stop sequences, user, tools."""
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
    asked |= {field: document[field] for field in PASSED if document.get(field) is not None}
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


def authorize(key: str) -> dict[str, str]:
    return {"x-api-key": key, "anthropic-version": VERSION}


ANTHROPIC = Dialect("/v1", "/v1/messages", ask, authorize, AnthropicReader)
