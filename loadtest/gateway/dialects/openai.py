"""OpenAI chat completions, as they are: everything that the client asked for goes along, and events pass unchanged."""

from __future__ import annotations

from typing import Any

import orjson

from loadtest.gateway.dialects.base import Dialect, Piece, Reader
from loadtest.protocol.chat_stream import read_chunk

NOT_PASSED = ("model", "messages", "stream", "stream_options")


class OpenAIReader(Reader):
    """Events pass unchanged, except that a client that did not ask for usage does not get the usage chunk."""

    def feed(self, chunk: bytes) -> Piece:
        passed, before = [], self.deltas
        for _, data in self._parser.feed(chunk):
            if data == b"[DONE]" or self._read(orjson.loads(data)):
                passed.append(b"data: " + data + b"\n\n")
        return Piece(self.deltas - before, b"".join(passed))

    def _read(self, document: dict[str, Any]) -> bool:
        """Take note of one chunk. True if the client gets it."""
        chunk = read_chunk(document)
        self.model = document.get("model") or self.model
        self.deltas += len(chunk.deltas)
        for delta in chunk.deltas:
            self.message.add(delta)
        self.finish_reason = chunk.finish_reason or self.finish_reason
        if chunk.usage:
            self.input_tokens, self._counted = chunk.usage.get("prompt_tokens"), chunk.usage.get("completion_tokens")
            self.cached_tokens = (chunk.usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        return bool(document.get("choices")) or self._include_usage


def ask(document: dict[str, Any], model: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything that the client asked for, with this model and these messages."""
    passed = {field: value for field, value in document.items() if field not in NOT_PASSED}
    return {**passed, "model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}


OPENAI = Dialect("/v1", "/v1/chat/completions", ask, lambda key: {"Authorization": f"Bearer {key}"}, OpenAIReader)
