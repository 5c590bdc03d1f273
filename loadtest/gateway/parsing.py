"""From the wire to the chain: an OpenAI chat completion as fields of ``chain.Request``, its earlier turns told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from sim.gateway.stages.route import pools_of
from sim.workload.prompt_text import count_tokens, read_marker

MAX_MESSAGES = 4096
DEFAULT_OUTPUT_TOKENS = 256  # what a token limit charges for an answer of unknown length
INT64 = 2**63
Message = dict[str, Any]
NOT_IN_PROMPT = {"user": None, "stream": None, "stream_options": None}  # two requests that differ in these alone get the same answer


class BadRequest(Exception):
    """Refused before the chain sees it. ``status`` 400 or 413; the message names the field."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.status = status


class ChatRequest:
    """A request as it was on the wire: the driver's ``exchange``.

    ``fields`` are those of ``chain.Request``, without what is drawn. ``system`` messages always go along; ``turns`` are the earlier turns,
    each the messages from one user message to the next, oldest first, and ``history`` their tokens; ``current`` is the last user message
    and what follows it. ``reader`` has the answer once an attempt has succeeded, ``stored`` one that was kept before.
    """

    __slots__ = (
        "current", "document", "failure", "fields", "history", "include_usage", "job", "number", "reader", "sink", "stored", "stream",
        "system", "turns", "vector",
    )  # fmt: skip

    def __init__(
        self, document: dict[str, Any], number: int, system: list[Message], turns: list[list[Message]], current: list[Message]
    ) -> None:
        self.document = document
        self.number = number
        self.system, self.turns, self.current = system, turns, current
        self.history = [sum(count_tokens(text_of(message)) for message in turn) for turn in turns]
        self.stream = _flag(document, "stream")
        options = document.get("stream_options")
        self.include_usage = isinstance(options, dict) and options.get("include_usage") is True
        self.fields: dict[str, Any] = {}
        self.failure = ""
        self.reader: Any = None
        self.sink: Any = None
        self.stored: Any = None
        self.job: Any = None  # that it was accepted as
        self.vector: Any = None  # of its text, once somebody has asked for it


class Names:
    """What the names in requests stand for: capabilities (asked for as the model) and request classes. No request comes before all that
    the scenario knows.
    """

    def __init__(self, scenario: Any) -> None:
        self.pools = {name: number for number, name in enumerate(pools_of(scenario)) if name}
        self.classes = {each.name: number for number, each in enumerate(scenario.workload.requests)}
        self.highest_priority = max(each.priority for each in scenario.workload.requests)


def stable_hash(*parts: str) -> int:
    """The same 63 bits for the same text, in every process."""
    digest = hashlib.blake2b("\x00".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def decode(body: bytes) -> dict[str, Any]:
    """The JSON object of a request body. orjson refuses nesting beyond 1024 levels, NaN and invalid UTF-8. Raises BadRequest."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadRequest("expected a JSON object")
    return document


def parse(document: dict[str, Any], headers: Mapping[str, str], number: int, names: Names) -> ChatRequest:
    """The request that ``document`` stands for. ``number`` is its own if its client did not say. Raises BadRequest."""
    model = _string(document, "model")
    if document.get("n") not in (None, 1):
        raise BadRequest("expected 1: one answer at a time", "n")
    system, turns, current = split_turns(_messages(document))
    user = _user(document, headers)
    prompt, answer_tokens = _identity(document, system, current)
    conversation = _number(headers, "x-tenfold-conversation")
    turn = _number(headers, "x-tenfold-turn")
    told = _number(headers, "x-tenfold-request")
    request = ChatRequest(document, number if told is None else told, system, turns, current)
    request.fields = {
        "request": request.number,
        "kind": names.classes.get(headers.get("x-tenfold-class", ""), 0),
        "user": user,
        "conversation": stable_hash(str(user), text_of((turns[0] if turns else current)[0])) if conversation is None else conversation,
        "turn": len(turns) if turn is None else turn,  # a request may leave its earlier turns at home
        "prompt": prompt,
        "prompt_tokens": max(1, sum(count_tokens(text_of(message)) for message in (*system, *current))),
        "answer_tokens": answer_tokens,
        "needs": names.pools.get(model or "", 0),
        "priority": min(names.highest_priority, max(0, _number(headers, "x-tenfold-priority") or 0)),
        "streams": request.stream,
    }
    return request


def _identity(document: dict[str, Any], system: list[Message], current: list[Message]) -> tuple[int, int]:
    """(prompt, tokens of its answer): as its marker says, otherwise a hash and what the client allows."""
    marked = read_marker(text_of(next(message for message in current if message["role"] == "user")))
    if marked is not None:
        return marked
    tokens = document.get("max_completion_tokens") or document.get("max_tokens") or DEFAULT_OUTPUT_TOKENS
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        raise BadRequest("expected a positive integer", "max_tokens")
    whole = {**document, **NOT_IN_PROMPT, "messages": [*system, *current]}
    return stable_hash(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS).decode()), tokens


def split_turns(messages: Sequence[Message]) -> tuple[list[Message], list[list[Message]], list[Message]]:
    """(system messages, earlier turns, the current turn). Raises BadRequest if no message is the user's."""
    system = [message for message in messages if message["role"] in ("system", "developer")]
    turns: list[list[Message]] = []
    for message in messages:
        if message["role"] == "user":
            turns.append([message])
        elif message["role"] not in ("system", "developer"):
            if not turns:
                raise BadRequest("expected the first message of a conversation to be the user's", "messages")
            turns[-1].append(message)
    if not turns:
        raise BadRequest("expected at least one message with the role user", "messages")
    return system, turns[:-1], turns[-1]


def text_of(message: Message) -> str:
    """The text of a message, whether it is a string or a list of content parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return ""


def _messages(document: dict[str, Any]) -> list[Message]:
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("expected a list of messages", "messages")
    if len(messages) > MAX_MESSAGES:
        raise BadRequest(f"expected at most {MAX_MESSAGES} messages, found {len(messages)}", "messages")
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequest("expected an object with a role", f"messages[{place}]")
        if not isinstance(message.get("content"), (str, list, type(None))):
            raise BadRequest("expected text or a list of content parts", f"messages[{place}].content")
    return messages


def _user(document: dict[str, Any], headers: Mapping[str, str]) -> int:
    """``u<number>`` is that user; any other name is hashed; without a name, whoever holds the API key."""
    name = _string(document, "user")
    if name is None:
        return stable_hash(headers.get("Authorization", ""))
    return int(name[1:]) if name[:1] == "u" and name[1:].isascii() and name[1:].isdigit() and len(name) <= 19 else stable_hash(name)


def _string(document: dict[str, Any], field: str) -> str | None:
    value = document.get(field)
    if value is not None and not isinstance(value, str):
        raise BadRequest("expected a string", field)
    return value


def _flag(document: dict[str, Any], field: str) -> bool:
    value = document.get(field)
    if value is not None and not isinstance(value, bool):
        raise BadRequest("expected true or false", field)
    return bool(value)


def _number(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name)
    if value is None:
        return None
    try:
        number = int(value)
    except ValueError:
        raise BadRequest("expected an integer", name) from None
    if not -INT64 <= number < INT64:
        raise BadRequest("expected a 64-bit integer", name)
    return number
