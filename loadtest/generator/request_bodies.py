"""Request bodies, written ahead of their send time and few at once: no text is made in the hot path, and memory stays bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import orjson

from sim.gateway.stages.semantic_cache import catalogs_of, tokens_in_common, topic_of
from sim.kernel.containers import NOBODY
from sim.kernel.random import root_of
from sim.scenario.model import Scenario
from sim.stochastics.random_streams import Purpose
from sim.workload.prompt_text import write_filler, write_prompt
from sim.workload.schedule import Schedule

MAX_AHEAD = 256
MAX_AHEAD_BYTES = 64 * 1024 * 1024
DEFAULT_MODEL = "default"  # what a request without a capability asks for
NONE: Mapping[str, str] = {}


class Call(NamedTuple):
    """One request as the workload describes it. ``history_tokens``: input plus output of each earlier turn, oldest first."""

    request: int
    kind: int
    user: int
    conversation: int
    turn: int
    prompt: int
    input_tokens: int
    output_tokens: int
    history_tokens: list[int]


def call_at(schedule: Schedule, i: int) -> Call:
    return Call(
        i, int(schedule.kind[i]), int(schedule.user[i]), int(schedule.conversation[i]), int(schedule.turn[i]), int(schedule.prompt[i]),
        int(schedule.input_tokens[i]), int(schedule.output_tokens[i]), schedule.history(i).tolist(),
    )  # fmt: skip


class BodyWriter:
    """Turns calls into HTTP bodies and headers as the gateway contract has them; ``models`` and ``headers`` as in LoadPlan."""

    def __init__(self, scenario: Scenario, models: Mapping[str, str] = NONE, headers: Mapping[str, str] = NONE) -> None:
        asked = [kind.needs or DEFAULT_MODEL for kind in scenario.workload.requests]
        self.models = [models.get(name, name) for name in asked]
        self.headers = headers
        self.stream = scenario.workload.client.stream
        self.classes = [kind.name for kind in scenario.workload.requests]
        self.priorities = [kind.priority for kind in scenario.workload.requests]
        self.catalogs = catalogs_of(scenario)
        self.topic_root = root_of(0, Purpose.TOPIC)

    def write(self, call: Call) -> tuple[bytes, dict[str, str]]:
        """(JSON body, request headers)."""
        document: dict[str, Any] = {
            "model": self.models[call.kind],
            "user": f"u{call.user}",
            "messages": messages_of(call, *self.topic_of(call)),
        }
        if self.stream:
            document["stream"] = True
            document["stream_options"] = {"include_usage": True}
        headers = {
            "x-tenfold-request": str(call.request), "x-tenfold-conversation": str(call.conversation), "x-tenfold-turn": str(call.turn),
            "x-tenfold-class": self.classes[call.kind], **self.headers,
        }  # fmt: skip
        if self.priorities[call.kind]:
            headers["x-tenfold-priority"] = str(self.priorities[call.kind])
        return orjson.dumps(document), headers

    def topic_of(self, call: Call) -> tuple[int | None, int]:
        """The topic of its prompt, and how much they have in common, as the model's law of similarity has it."""
        catalog = self.catalogs[call.kind]
        topic = topic_of(catalog, call.prompt)
        if topic == NOBODY:
            return None, 0
        return topic, tokens_in_common(self.topic_root, catalog.common, call.prompt, call.input_tokens)


def messages_of(call: Call, topic: int | None = None, common_tokens: int = 0) -> list[dict[str, str]]:
    """Earlier turns as user and assistant pairs whose text depends on (conversation, turn) alone, so that shared prefixes stay shared."""
    messages = []
    for turn, tokens in enumerate(call.history_tokens):
        asked = max(1, tokens // 2)
        messages.append({"role": "user", "content": write_filler(_entity(call.conversation, turn, 0), asked)})
        messages.append({"role": "assistant", "content": write_filler(_entity(call.conversation, turn, 1), tokens - asked)})
    messages.append({"role": "user", "content": write_prompt(call.prompt, call.input_tokens, call.output_tokens, topic, common_tokens)})
    return messages


def _entity(conversation: int, turn: int, side: int) -> int:
    return (conversation << 20) + (turn << 1) + side + 1


class Bodies:
    """The bodies of ``positions``, in order: ``prepare()`` writes one more if there is room, ``take()`` gives the next."""

    def __init__(self, schedule: Schedule, positions: np.ndarray, writer: BodyWriter) -> None:
        self._calls: Iterator[Call] = (call_at(schedule, i) for i in positions.tolist())
        self._writer = writer
        self._ready: deque[tuple[Call, bytes, dict[str, str]]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._ready)

    def prepare(self) -> bool:
        """Write one more body ahead. False if enough are there, or all."""
        if len(self._ready) >= MAX_AHEAD or self._bytes >= MAX_AHEAD_BYTES:
            return False
        return self._write()

    def take(self) -> tuple[Call, bytes, dict[str, str]]:
        """Raises IndexError when all were taken."""
        if not self._ready and not self._write():
            raise IndexError("no request is left")
        item = self._ready.popleft()
        self._bytes -= len(item[1])
        return item

    def _write(self) -> bool:
        call = next(self._calls, None)
        if call is None:
            return False
        body, headers = self._writer.write(call)
        self._ready.append((call, body, headers))
        self._bytes += len(body)
        return True
