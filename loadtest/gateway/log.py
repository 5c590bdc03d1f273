"""The gateway's own records: one row for each request and attempt, the timeline, the events. Bounded."""

from __future__ import annotations

import asyncio
import io
import json
from collections import Counter
from operator import attrgetter
from typing import Any

import numpy as np

from loadtest.gateway.asyncio_driver import AsyncioDriver
from sim.data.schema import TIMELINE
from sim.engine.row_log import RowLog
from sim.engine.sampling import look, sampling
from sim.gateway.events import described
from sim.gateway.rows import ATTEMPT_FIELDS, ATTEMPTS, REQUEST_FIELDS, REQUESTS
from sim.kernel.refusals import NOT_REFUSED
from sim.scenario.targets import target_names

MAX_ROWS = 1_000_000  # of requests, some 200 MB; a run that is longer keeps its first rows
MAX_EVENTS = 100_000


class Log:
    """``call_ended`` and ``attempt_ended`` add rows, times as the gateway saw them. ``refused`` counts requests by who said no,
    ``cost_usd`` sums what they cost.
    """

    def __init__(self, scenario: Any) -> None:
        self.targets = target_names(scenario)
        self.requests, self.attempts = RowLog(REQUESTS), RowLog(ATTEMPTS)
        self.take_request, self.take_attempt = attrgetter(*REQUEST_FIELDS), attrgetter(*ATTEMPT_FIELDS)
        self.refused: Counter[int] = Counter()
        self.cost_usd = 0.0
        self.samples: list[tuple[int, float, int, int, int]] = []
        self.count, self.every_s = sampling(scenario.workload.duration)

    def __len__(self) -> int:
        return len(self.requests)

    def call_ended(self, c: Any) -> None:
        self.cost_usd += c.cost_usd
        if c.refused_by != NOT_REFUSED:
            self.refused[c.refused_by] += 1
        if len(self.requests) < MAX_ROWS:
            self.requests.rows += self.requests.pack(*self.take_request(c))

    def attempt_ended(self, c: Any) -> None:
        if len(self.attempts) < MAX_ROWS:
            c.occurrence = -1  # only the provider knows it
            self.attempts.rows += self.attempts.pack(*self.take_attempt(c))

    async def sample(self, driver: AsyncioDriver) -> None:
        """The state of the queue and the breakers, as often as the model samples it."""
        first = max(0, int(driver.now_s() / self.every_s) + 1) if driver.now_s() > 0 else 0
        for number in range(first, first + self.count):
            await asyncio.sleep(number * self.every_s - driver.now_s())
            self.samples.append((0, driver.now_s(), *look(driver.g)))
            del driver.g.events[MAX_EVENTS:]

    def request_rows(self) -> np.ndarray:
        return table(self.requests)

    def attempt_rows(self) -> np.ndarray:
        """In order of their start."""
        rows = table(self.attempts)
        return rows[np.argsort(rows["started_s"], kind="stable")]

    def events(self, g: Any) -> list[dict[str, Any]]:
        return [described(at_s, 0, kind, subject, value, self.targets) for at_s, kind, subject, value in g.events]

    def archive(self, g: Any) -> bytes:
        """Everything as one npz document: requests, attempts, timeline, and the events as JSON."""
        content = io.BytesIO()
        np.savez(
            content,
            requests=self.request_rows(),
            attempts=self.attempt_rows(),
            timeline=np.array(self.samples, TIMELINE),
            events=np.frombuffer(json.dumps(self.events(g)).encode(), np.uint8),
        )
        return content.getvalue()


def table(log: RowLog) -> np.ndarray:
    """A copy, so that rows can still be added."""
    return np.frombuffer(bytes(log.rows), log.dtype)


def unpack(content: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """(requests, attempts, timeline, events) of an archive."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return arrays["requests"], arrays["attempts"], arrays["timeline"], json.loads(arrays["events"].tobytes() or b"[]")
