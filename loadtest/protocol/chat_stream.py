"""What a reader, the client or the gateway, understands of an OpenAI chat completion: deltas, why it ended, usage, errors."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from loadtest.protocol.sse import EventParser

CONTENT_FIELDS = ("content", "reasoning_content", "reasoning", "tool_calls", "function_call", "refusal")


OPENING = 4  # characters of an answer that are kept: the first token of a mock's


class BrokenAnswer(Exception):
    """The answer is no chat completion: garbage, an error event, or cut short. ``kind`` is the error's type as the other side named it."""

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


def has_content(delta: dict[str, Any] | None) -> bool:
    """Whether a delta (or a message) carries anything for the reader; the chunk that only says ``role`` does not. Reasoning counts."""
    return delta is not None and any(delta.get(field) for field in CONTENT_FIELDS)


def error_of(document: dict[str, Any]) -> BrokenAnswer:
    error = document.get("error")
    if isinstance(error, dict):
        return BrokenAnswer(str(error.get("message") or error.get("type") or "error"), str(error.get("type") or ""))
    return BrokenAnswer(str(error))


class Chunk(NamedTuple):
    """What one chunk of a stream says. ``deltas``: those with content; ``finish_reason`` None and ``usage`` empty where it does not say."""

    deltas: list[dict[str, Any]]
    finish_reason: str | None
    usage: dict[str, Any]


def read_chunk(document: dict[str, Any]) -> Chunk:
    """Raises BrokenAnswer for an error in place of a chunk."""
    if document.get("error"):
        raise error_of(document)
    deltas, finish_reason = [], None
    for choice in document.get("choices") or ():
        delta = choice.get("delta")
        if has_content(delta):
            deltas.append(delta)
        finish_reason = choice.get("finish_reason") or finish_reason
    return Chunk(deltas, finish_reason, document.get("usage") or {})


class ChatStream:
    """``feed(bytes)`` returns how many content deltas the bytes held; ``end()`` judges whether the stream was whole.

    A stream that ends cleanly without a finish reason was cut: client libraries accept it silently, we do not.
    """

    __slots__ = ("_parser", "deltas", "done", "finish_reason", "opening", "usage")

    def __init__(self) -> None:
        self._parser = EventParser()
        self.deltas = 0
        self.done = False
        self.opening = ""  # its first words
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] = {}

    def feed(self, chunk: bytes) -> int:
        before = self.deltas
        for name, data in self._parser.feed(chunk):
            if data == b"[DONE]":
                self.done = True
            else:
                self._event(name, data)
        return self.deltas - before

    def _event(self, name: bytes, data: bytes) -> None:
        document = _parse(data)
        if name == b"error":
            raise error_of(document)
        chunk = read_chunk(document)
        self.deltas += len(chunk.deltas)
        if len(self.opening) < OPENING:
            self.opening += "".join(delta.get("content") or "" for delta in chunk.deltas)[:OPENING]
        self.finish_reason = chunk.finish_reason or self.finish_reason
        self.usage = chunk.usage or self.usage

    def end(self) -> None:
        """Raises BrokenAnswer unless the stream said why it ended."""
        if self.finish_reason is None:
            raise BrokenAnswer(f"the stream ended after {self.deltas} deltas without a finish_reason", "cut")


def read_whole(body: bytes) -> tuple[int, dict[str, Any]]:
    """(1 if it has content, usage) of an answer that was not streamed. Raises BrokenAnswer."""
    document = _parse(body)
    if document.get("error"):
        raise error_of(document)
    choices = document.get("choices")
    if not choices or not isinstance(choices, list):
        raise BrokenAnswer("an answer without choices")
    if choices[0].get("finish_reason") is None:
        raise BrokenAnswer("an answer without a finish_reason", "cut")
    return int(has_content(choices[0].get("message"))), document.get("usage") or {}


def error_text(body: bytes) -> str:
    """The message of an error answer, or the start of whatever came instead."""
    try:
        document = _parse(body)
    except BrokenAnswer:
        document = {}
    return str(error_of(document)) if document.get("error") else body[:120].decode("utf-8", "replace")


def _parse(data: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise BrokenAnswer(f"not JSON: {data[:80].decode('utf-8', 'replace')}") from None
    if not isinstance(document, dict):
        raise BrokenAnswer("not a JSON object")
    return document
