"""What readers of all dialects have in common: a streamed answer as OpenAI chunks, and what has been produced so far.

The gateway always asks for a stream, also for a client that wants the answer whole: only so can it see the first content and what was
produced when it has to cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import orjson

from loadtest.gateway.answers import Message, usage_of
from loadtest.sse import EventParser

DONE = b"data: [DONE]\n\n"


class Piece(NamedTuple):
    """Part of an answer: content ``tokens`` in it (0: a role chunk, a ping, the end), and what goes to the client."""

    tokens: int
    data: bytes


class StreamReader(Protocol):
    """Reads one streamed answer. ``finish_reason`` is None until the provider said why it ended; ``message`` is what it has said so far.

    ``input_tokens`` is None until the provider has said how many it counted, ``cached_tokens`` of which came from its prompt cache.
    """

    finish_reason: str | None
    input_tokens: int | None
    cached_tokens: int
    model: str
    message: Message

    @property
    def output_tokens(self) -> int: ...

    def feed(self, chunk: bytes) -> Piece:
        """What ``chunk`` completed, as OpenAI chunks. Raises BrokenAnswer or ValueError."""


class Reader:
    """What readers learn from a stream, and how a translated one writes OpenAI chunks."""

    def __init__(self, include_usage: bool) -> None:
        self._parser = EventParser()
        self._include_usage = include_usage
        self._head: dict[str, Any] = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": ""}
        self._counted: int | None = None
        self.message = Message()
        self.finish_reason: str | None = None
        self.input_tokens: int | None = None
        self.cached_tokens = 0
        self.deltas = 0
        self.model = ""

    @property
    def output_tokens(self) -> int:
        """As the provider counts; before it has said so, one token per delta."""
        return self.deltas if self._counted is None else self._counted

    def begin(self, identity: str, model: str) -> bytes:
        """The chunk that opens a translated stream."""
        self.model = model
        self._head = {**self._head, "id": identity, "model": model}
        return self.chunk({"role": "assistant", "content": ""})

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return b"data: " + orjson.dumps({**self._head, "choices": [choice]}) + b"\n\n"

    def say(self, delta: dict[str, Any]) -> bytes:
        """A chunk with content."""
        self.deltas += 1
        self.message.add(delta)
        return self.chunk(delta)

    def end(self) -> bytes:
        """Usage, if the client asked for it, and the end of a translated stream."""
        if not self._include_usage:
            return DONE
        document = {**self._head, "choices": [], "usage": usage_of(self.input_tokens or 0, self.output_tokens)}
        return b"data: " + orjson.dumps(document) + b"\n\n" + DONE


class Dialect(NamedTuple):
    """``path`` has a place for the model's name; a provider's URL may end with ``prefix``, which is part of the path.

    ``ask(document, model, messages)`` is the body of a request for a client's document; ``authorize(key)`` its headers.
    """

    prefix: str
    path: str
    ask: Callable[[dict[str, Any], str, list[dict[str, Any]]], dict[str, Any]]
    authorize: Callable[[str], dict[str, str]]
    reader: Callable[[bool], StreamReader]
