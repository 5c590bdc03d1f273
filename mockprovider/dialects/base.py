"""What every wire format shares: a call as the provider's behaviour sees it, its answer, and how a dialect is asked for bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from mockprovider.dialects.answer_text import passage, token, version_token
from sim.stochastics.random_streams import MASK, mix

CREATED = 1_767_225_600
"""Every answer says it was created at 2026-01-01T00:00:00Z, so that bodies depend on the seed alone."""

Headers = list[tuple[str, str]]


class Refusal(Exception):
    """A request that the provider's API would refuse before any model sees it. The dialect words the body."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None, kind: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind


@dataclass(slots=True)
class Call:
    """A request in no dialect. ``texts`` are all message texts in order, ``last_user`` indexes the last one of the user."""

    model: str
    texts: list[str]
    last_user: int
    most_tokens: int | None = None
    stream: bool = False
    include_usage: bool = False
    extra_tokens: int = 0  # tool definitions, images
    tool: str | None = None  # the tool that the answer has to call
    arguments: str | None = None  # what it is called with, or what a JSON answer format asks for
    options: dict[str, Any] = field(default_factory=dict)  # the dialect's own


@dataclass(slots=True)
class Quota:
    """One limit of a key as the headers tell it: ``reset_s`` seconds until all of ``limit`` is there again."""

    limit: float
    remaining: float
    reset_s: float


@dataclass(slots=True)
class Answer:
    """What the model says, and to whom: ``tokens`` tokens of text, or the call's ``arguments`` cut into as many pieces."""

    call: Call
    identity: int  # 64 bits, from seed, provider, model, prompt and occurrence
    input_tokens: int
    cached_tokens: int
    tokens: int
    cut_at_limit: bool
    duration_s: float
    requests: Quota | None = None
    tokens_quota: Quota | None = None
    input_quota: Quota | None = None
    output_quota: Quota | None = None
    written_tokens: int = 0  # of the input, written to the prompt cache
    filtered: bool = False
    context: int = 0  # the model's context window; 0: not limited
    version: int | None = None  # of the content that it rests on, told by its first token

    def piece(self, k: int) -> bytes:
        """Token k as the inside of a JSON string."""
        script = self.call.arguments
        if script is None:
            return version_token(self.version) if k == 0 and self.version is not None else token(self.identity, k)
        size = -(-len(script) // self.tokens)
        return orjson.dumps(script[k * size : (k + 1) * size])[1:-1]

    def text(self) -> str:
        if self.call.arguments is not None:
            return self.call.arguments
        first = b"" if self.version is None else version_token(self.version)
        return (first + passage(self.identity, self.tokens)[len(first) :]).decode()

    def name(self, prefix: str, salt: int = 0) -> str:
        """An identifier as providers give them, a function of ``identity``."""
        return f"{prefix}{mix((self.identity + salt) & MASK):016x}{mix((self.identity + salt + 1) & MASK):08x}"


@dataclass(slots=True)
class Stream:
    """A streamed body, without its framing: what comes with the first token, each token, what comes with the last one."""

    opening: Sequence[bytes]
    frame: Callable[[int], bytes]
    closing: Sequence[bytes]
    failure: Sequence[bytes] = ()  # what a provider sends when it fails in the middle
    content_type: str = "text/event-stream; charset=utf-8"


class Dialect(Protocol):
    """One API endpoint of one provider's wire format."""

    def parse(self, body: dict[str, Any], place: dict[str, str]) -> Call:
        """Raises Refusal. ``place`` are the named parts of the path and the query."""

    def headers(self, answer: Answer) -> Headers: ...

    def body(self, answer: Answer) -> bytes: ...

    def stream(self, answer: Answer) -> Stream: ...


class Errors(Protocol):
    """How one provider words its errors."""

    def refusal(self, refusal: Refusal, identity: int) -> tuple[Headers, bytes]: ...

    def failure(self, status: int, retry_after_s: float | None, answer: Answer) -> tuple[Headers, bytes]:
        """The error that a plan decided on; ``answer`` has no tokens but the identity and the key's quotas."""
