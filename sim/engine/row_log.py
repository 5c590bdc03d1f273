"""Rows on their way from a world to a table, packed as they come."""

from __future__ import annotations

from array import array
from struct import Struct

import numpy as np

from sim.data.schema import REQUESTS, Outcome
from sim.gateway.request import Record, Request
from sim.scenario.model import Scenario

CODES = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "f8": "d"}


class RowLog:
    """Rows of ``dtype``: ``log.rows += log.pack(field, …)`` adds one, in a quarter of the room that a tuple of its fields would take."""

    __slots__ = ("dtype", "pack", "rows")

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.pack = Struct("<" + "".join(CODES[dtype[name].str[1:]] for name in dtype.names or ())).pack
        self.rows = bytearray()

    def __len__(self) -> int:
        return len(self.rows) // self.dtype.itemsize

    def table(self, replication: int = 0) -> np.ndarray:
        """All rows so far, in the order in which they were added; no more can be added while somebody holds them."""
        rows = np.frombuffer(self.rows, self.dtype)
        rows["replication"] = replication
        return rows


class RequestLog(RowLog):
    """Rows of schema.REQUESTS in the order in which requests ended; ``inside_s`` is the time from arrival at the gateway to the end."""

    __slots__ = ("inside_s",)

    def __init__(self) -> None:
        super().__init__(REQUESTS)
        self.inside_s = array("d")

    def add(self, request: Request, record: Record, ended_s: float) -> None:
        arrival_s = request.arrival_s
        self.rows += self.pack(
            request.index, 0, arrival_s, request.kind, request.user, request.conversation, request.turn, request.prompt, record.outcome,
            ended_s - arrival_s, record.first_content_s - arrival_s, record.queue_wait_s, record.coalesced_s, record.cpu_s,
            record.failed_s, record.backoff_s, record.first_token_s, record.generation_s, record.attempts, record.target,
            record.context_tokens, record.output_tokens, record.cost_usd,
        )  # fmt: skip
        self.inside_s.append(ended_s - record.arrived_s)


def request_rows(served: RequestLog, scenario: Scenario, replication: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of schema.REQUESTS in the order of the schedule, as the clients saw them; and the time that each spent inside."""
    rows = served.table(replication)
    order = np.argsort(rows["request"], kind="stable")
    return as_clients_saw(rows[order], scenario), np.array(served.inside_s)[order]


def as_clients_saw(rows: np.ndarray, scenario: Scenario) -> np.ndarray:
    """The rows, changed in place: answers of the gateway itself come at once, and who would have left by then has abandoned."""
    at_once = (rows["outcome"] == Outcome.CACHE_HIT) | (rows["outcome"] == Outcome.FALLBACK)
    rows["ttft_s"][at_once] = rows["latency_s"][at_once]
    patience_s = scenario.workload.client.timeout
    if patience_s is not None:
        gone = rows["latency_s"] > patience_s
        rows["outcome"][gone] = Outcome.ABANDONED
        rows["latency_s"][gone] = patience_s
    return rows


def joined(arrays: list[np.ndarray]) -> np.ndarray:
    """Their concatenation. Takes them out of the list one by one, so that memory holds hardly more than one copy."""
    arrays.reverse()
    whole = np.empty(sum(map(len, arrays)), arrays[-1].dtype)
    filled = 0
    while arrays:
        array = arrays.pop()
        whole[filled : filled + len(array)] = array
        filled += len(array)
    return whole
