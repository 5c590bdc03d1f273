"""The gateway's own records: one row per request, the timeline, breaker moves. Kept in blocks of numpy rows, bounded."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import numpy as np

from loadtest.gateway.world import AsyncioWorld
from sim.data.schema import ATTEMPT_COLUMNS, ATTEMPTS, REQUESTS, TIMELINE
from sim.gateway.assembled import Gateway
from sim.gateway.request import Record, Request

BLOCK = 4096
MAX_ROWS = 1_000_000  # some 200 MB; a run that is longer keeps its first rows
MAX_TIMELINE_ROWS = 1200
FROM_REQUEST = ("arrival_s", "kind", "user", "conversation", "turn", "prompt")
FROM_RECORD = (
    "outcome", "queue_wait_s", "coalesced_s", "cpu_s", "failed_s", "backoff_s", "first_token_s", "generation_s", "attempts", "target",
    "output_tokens", "cost_usd",
)  # fmt: skip
COLUMNS = ("request", *FROM_REQUEST, *FROM_RECORD, "input_tokens", "latency_s", "ttft_s")


class RequestLog:
    """``add`` when a request has ended; ``rows()`` gives all of them with dtype schema.REQUESTS, times as the gateway saw them."""

    def __init__(self) -> None:
        self._blocks: list[np.ndarray] = []
        self._open: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return BLOCK * len(self._blocks) + len(self._open)

    def add(self, request: Request, record: Record, ended_s: float) -> None:
        if len(self) >= MAX_ROWS:
            return
        self._open.append(
            (
                request.index,
                *(getattr(request, field) for field in FROM_REQUEST),
                *(getattr(record, field) for field in FROM_RECORD),
                record.context_tokens, ended_s - record.arrived_s, record.first_content_s - record.arrived_s,
            )
        )  # fmt: skip
        if len(self._open) == BLOCK:
            self._blocks.append(_block(self._open))
            self._open = []

    def rows(self) -> np.ndarray:
        return np.concatenate([*self._blocks, _block(self._open)])


def _block(open_rows: list[tuple[Any, ...]]) -> np.ndarray:
    rows = np.zeros(len(open_rows), REQUESTS)
    for name, column in zip(COLUMNS, zip(*open_rows, strict=True), strict=False):
        rows[name] = column
    return rows


def attempt_rows(worlds: list[AsyncioWorld]) -> np.ndarray:
    """Attempts of all worlds in order of their start; dtype schema.ATTEMPTS, occurrence -1: only the provider knows it."""
    collected = [row for world in worlds for row in world.attempts]
    rows = np.zeros(len(collected), ATTEMPTS)
    if collected:
        names = [name for name in ATTEMPT_COLUMNS if name != "replication"]
        for name, column in zip(names, zip(*collected, strict=True), strict=True):
            rows[name] = column
    return rows[np.argsort(rows["started_s"], kind="stable")]


class Timeline:
    """Samples the queue and the breakers, once a second or MAX_TIMELINE_ROWS times in the run, as the model does."""

    def __init__(self, gateway: Gateway, duration_s: float) -> None:
        self.gateway = gateway
        self.every_s = max(1.0, duration_s / MAX_TIMELINE_ROWS)
        self.samples: list[tuple[int, float, int, int, int]] = []

    def look(self) -> tuple[int, int, int]:
        """(waiting, in service, breakers not closed) now."""
        admission, targets = self.gateway.admission, self.gateway.targets
        opened = sum(target.breaker is not None and target.breaker.state != 0 for target in targets)
        if admission is None:
            return 0, sum(target.in_flight for target in targets), opened
        return admission.waiting, admission.in_service, opened

    async def run(self, world: AsyncioWorld) -> None:
        first = max(0, int(world.now_s / self.every_s) + 1) if world.now_s > 0 else 0
        for number in range(first, first + MAX_TIMELINE_ROWS + 1):
            await asyncio.sleep(number * self.every_s - world.now_s)
            self.samples.append((0, world.now_s, *self.look()))

    def rows(self) -> np.ndarray:
        return np.array(self.samples, TIMELINE)


def archive(log: RequestLog, worlds: list[AsyncioWorld], timeline: Timeline, gateway: Gateway) -> bytes:
    """Everything as one npz document: requests, attempts, timeline, and the events as JSON."""
    events = [
        {"at_s": at_s, "replication": 0, "event": "breaker", "target": target, "state": state}
        for at_s, target, state in gateway.breaker_moves
    ]
    content = io.BytesIO()
    np.savez(
        content,
        requests=log.rows(),
        attempts=attempt_rows(worlds),
        timeline=timeline.rows(),
        events=np.frombuffer(json.dumps(events).encode(), np.uint8),
    )
    return content.getvalue()


def unpack(content: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """(requests, attempts, timeline, events) of an archive."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return arrays["requests"], arrays["attempts"], arrays["timeline"], json.loads(arrays["events"].tobytes() or b"[]")
