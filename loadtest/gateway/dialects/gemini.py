"""Gemini's streamGenerateContent (ai.google.dev/api/generate-content), translated to OpenAI chunks and back."""

from __future__ import annotations

from typing import Any

import orjson

from loadtest.gateway.dialects.base import Dialect, Piece, Reader
from loadtest.gateway.parsing import text_of
from loadtest.wire import error_of

FINISH_REASONS = {"STOP": "stop", "MAX_TOKENS": "length"}  # all others are refusals to go on
SETTINGS = {"temperature": "temperature", "top_p": "topP", "presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty"}


class GeminiReader(Reader):
    """Every event is a whole response with the newest parts. The one with a finish reason is the last."""

    def __init__(self, include_usage: bool) -> None:
        super().__init__(include_usage)
        self._begun = False
        self._tools = 0

    def feed(self, chunk: bytes) -> Piece:
        passed, before = [], self.deltas
        for _, data in self._parser.feed(chunk):
            passed += self._read(orjson.loads(data))
        return Piece(self.deltas - before, b"".join(passed))

    def _read(self, document: dict[str, Any]) -> list[bytes]:
        if document.get("error"):
            raise error_of(document)
        chunks = []
        if not self._begun:
            self._begun = True
            chunks.append(self.begin(document.get("responseId", ""), document.get("modelVersion", "")))
        if usage := document.get("usageMetadata"):
            self.input_tokens = usage.get("promptTokenCount", self.input_tokens)
            self.cached_tokens = usage.get("cachedContentTokenCount", self.cached_tokens)
            if "candidatesTokenCount" in usage:
                self._counted = usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0)
        reason = "SAFETY" if (document.get("promptFeedback") or {}).get("blockReason") else None
        for candidate in document.get("candidates") or ():
            chunks += [self._part(part) for part in (candidate.get("content") or {}).get("parts") or ()]
            reason = candidate.get("finishReason") or reason
        if reason is not None and self.finish_reason is None:
            self.finish_reason = FINISH_REASONS.get(reason, "content_filter")
            if self.finish_reason == "stop" and self._tools:
                self.finish_reason = "tool_calls"
            chunks += [self.chunk({}, self.finish_reason), self.end()]
        return chunks

    def _part(self, part: dict[str, Any]) -> bytes:
        if call := part.get("functionCall"):
            function = {"name": call.get("name", ""), "arguments": orjson.dumps(call.get("args") or {}).decode()}
            self._tools += 1
            identity = call.get("id") or f"call_{self._tools}"
            return self.say({"tool_calls": [{"index": self._tools - 1, "id": identity, "type": "function", "function": function}]})
        text = part.get("text")
        if not text:
            return b""
        return self.say({"reasoning_content" if part.get("thought") else "content": text})


def ask(document: dict[str, Any], _: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Text, system prompt, sampling, stop sequences, tools. The model is in the path."""
    system = "\n\n".join(text_of(message) for message in messages if message["role"] in ("system", "developer"))
    names = {
        call.get("id"): (call.get("function") or {}).get("name", "") for message in messages for call in message.get("tool_calls") or ()
    }
    asked: dict[str, Any] = {
        "contents": [content_of(message, names) for message in messages if message["role"] not in ("system", "developer")]
    }
    if system:
        asked["systemInstruction"] = {"parts": [{"text": system}]}
    settings = {theirs: document[ours] for ours, theirs in SETTINGS.items() if document.get(ours) is not None}
    if limit := document.get("max_completion_tokens") or document.get("max_tokens"):
        settings["maxOutputTokens"] = limit
    if stop := document.get("stop"):
        settings["stopSequences"] = [stop] if isinstance(stop, str) else stop
    if settings:
        asked["generationConfig"] = settings
    functions = [
        {field: tool["function"][field] for field in ("name", "description", "parameters") if field in tool["function"]}
        for tool in document.get("tools") or ()
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict) and "name" in tool["function"]
    ]
    if functions:
        asked["tools"] = [{"functionDeclarations": functions}]
    return asked


def content_of(message: dict[str, Any], names: dict[str | None, str]) -> dict[str, Any]:
    """Roles are user and model only. A tool's result is something the user says, by the name of the function that was called."""
    if message["role"] == "tool":
        response = {"name": names.get(message.get("tool_call_id"), ""), "response": {"result": text_of(message)}}
        return {"role": "user", "parts": [{"functionResponse": response}]}
    parts: list[dict[str, Any]] = [{"text": text}] if (text := text_of(message)) or not message.get("tool_calls") else []
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        parts.append({"functionCall": {"name": function.get("name", ""), "args": orjson.loads(function.get("arguments") or "{}")}})
    return {"role": "model" if message["role"] == "assistant" else "user", "parts": parts}


GEMINI = Dialect("/v1beta", "/v1beta/models/{model}:streamGenerateContent?alt=sse", ask, lambda key: {"x-goog-api-key": key}, GeminiReader)
