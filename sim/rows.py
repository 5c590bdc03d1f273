"""Rows on their way from a world to a table: tuples, packed into columns block by block as the run goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sim.records import ATTEMPT_COLUMNS, ATTEMPTS, REQUESTS, Outcome
from sim.request import Record, Request
from sim.scenario.model import Scenario

PACKED_AT_ONCE = 512
"""Rows: few enough to be in the processor's cache still."""
Row = tuple[Any, ...]
REQUEST_FIELDS = (
    "request", "arrival_s", "kind", "user", "conversation", "turn", "prompt", "outcome", "latency_s", "ttft_s", "queue_wait_s",
    "coalesced_s", "cpu_s", "failed_s", "backoff_s", "first_token_s", "generation_s", "attempts", "target", "input_tokens",
    "output_tokens", "cost_usd", "inside_s",
)  # fmt: skip
ATTEMPT_FIELDS = tuple(name for name in ATTEMPT_COLUMNS if name != "replication")


def request_row(request: Request, record: Record, ended_s: float) -> Row:
    """In the order of REQUEST_FIELDS; ``inside_s`` is the time from its arrival at the gateway to its end."""
    arrival_s = request.arrival_s
    return (
        request.index, arrival_s, request.kind, request.user, request.conversation, request.turn, request.prompt, record.outcome,
        ended_s - arrival_s, record.first_content_s - arrival_s, record.queue_wait_s, record.coalesced_s, record.cpu_s, record.failed_s,
        record.backoff_s, record.first_token_s, record.generation_s, record.attempts, record.target, record.context_tokens,
        record.output_tokens, record.cost_usd, ended_s - record.arrived_s,
    )  # fmt: skip


class RowLog(list[Row]):
    """A list of rows. ``pack`` moves those that are in it into arrays, which take less room and leave the garbage collector nothing to
    go through.
    """

    def __init__(self, fields: Sequence[str], dtype: np.dtype) -> None:
        super().__init__()
        self.types = {name: dtype[name] if name in (dtype.names or ()) else np.dtype("f8") for name in fields}
        self.packed: dict[str, list[np.ndarray]] = {name: [] for name in fields}

    def pack(self) -> None:
        if self:
            for (name, kind), column in zip(self.types.items(), zip(*self, strict=True), strict=True):
                self.packed[name].append(np.array(column, kind))
            self.clear()

    def columns(self) -> dict[str, np.ndarray]:
        """All rows so far, packed ones included, as one array per field. The log forgets them."""
        self.pack()
        taken, self.packed = self.packed, {name: [] for name in self.types}
        return {name: np.concatenate(taken.pop(name) or [np.zeros(0, kind)]) for name, kind in self.types.items()}


def table(columns: dict[str, np.ndarray], dtype: np.dtype, replication: int, order: np.ndarray | None = None) -> np.ndarray:
    """Columns as rows of ``dtype``, in ``order`` if one is given. Takes the columns out of the mapping one by one, to save memory."""
    rows = np.zeros(len(next(iter(columns.values()))), dtype)
    for name in dtype.names or ():
        if name in columns:
            column = columns.pop(name)
            rows[name] = column if order is None else column[order]
    rows["replication"] = replication
    return rows


def request_rows(served: Iterable[Row], scenario: Scenario, replication: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of records.REQUESTS in the order of the schedule, as the clients saw them; and the time that each spent inside."""
    if not isinstance(served, RowLog):
        log = RowLog(REQUEST_FIELDS, REQUESTS)
        log.extend(served)
        served = log
    columns = served.columns()
    order = np.argsort(columns["request"], kind="stable")
    inside_s = columns.pop("inside_s")[order]
    return as_clients_saw(table(columns, REQUESTS, replication, order), scenario), inside_s


def attempt_rows(attempts: RowLog, replication: int) -> np.ndarray:
    """Rows of records.ATTEMPTS in the order in which they ended."""
    return table(attempts.columns(), ATTEMPTS, replication)


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


class Columns:
    """Columns of those ``rows`` that ``mask`` is true for, each made when it is asked for."""

    __slots__ = ("mask", "rows")

    def __init__(self, rows: np.ndarray, mask: np.ndarray) -> None:
        self.rows = rows
        self.mask = mask

    def __len__(self) -> int:
        return int(self.mask.sum())

    def __getitem__(self, name: str) -> np.ndarray:
        column: np.ndarray = self.rows[name][self.mask]
        return column
