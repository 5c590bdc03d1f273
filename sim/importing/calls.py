"""The one table that every log becomes: a row per call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from sim.importing.hashing import mixed
from sim.importing.skipped import Skipped

TEXTS = ("group", "model", "provider", "feature")
HASHES = ("id", "call", "user", "session", "prompt", "key")
SCHEMA = pa.schema(
    [
        ("start_s", pa.float64()),  # epoch seconds, UTC
        ("duration_s", pa.float32()),
        ("ttft_s", pa.float32()),
        ("input_tokens", pa.float32()),
        ("output_tokens", pa.float32()),
        ("cached_tokens", pa.float32()),
        ("cost_usd", pa.float32()),
        ("status", pa.int16()),  # 200, or an HTTP error status
        ("cache_hit", pa.bool_()),
        ("attempts", pa.int16()),
        ("line", pa.int64()),
        *((name, pa.string()) for name in TEXTS),
        *((name, pa.uint64()) for name in HASHES),
    ]
)
"""Null is what the log does not say. Texts and keys themselves are nowhere: hashes only, and those in memory only."""
OK = 200
MOST_NAMES = 30_000
OTHERS = "others"


@dataclass(frozen=True)
class Calls:
    """Columns over calls in order of their start. Floats are NaN and hashes 0 where the log says nothing; ``texts`` are codes into
    ``names`` (-1: nothing).
    """

    start_s: np.ndarray
    duration_s: np.ndarray
    ttft_s: np.ndarray
    input_tokens: np.ndarray
    output_tokens: np.ndarray
    cached_tokens: np.ndarray
    cost_usd: np.ndarray
    status: np.ndarray
    cache_hit: np.ndarray
    attempts: np.ndarray
    texts: dict[str, np.ndarray]
    hashes: dict[str, np.ndarray]
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.start_s)

    def __repr__(self) -> str:
        return f"<Calls: {len(self):,} over {self.span_s:,.0f} s>"

    @property
    def span_s(self) -> float:
        return float(self.start_s[-1] - self.start_s[0]) if len(self) else 0.0

    @property
    def served(self) -> np.ndarray:
        return self.status == OK

    @property
    def asked(self) -> np.ndarray:
        """Answered by a provider."""
        return self.served & ~self.cache_hit

    def where(self, rows: np.ndarray | slice, only: Sequence[str] | None = None) -> Calls:
        """Some of the rows, by mask, by order or by slice. ``only``: the texts and hashes that are needed (default: all)."""
        columns: dict[str, Any] = {name: taken(getattr(self, name), rows) for name in COLUMNS}
        texts, hashes = (
            {name: taken(column, rows) for name, column in named.items() if only is None or name in only}
            for named in (self.texts, self.hashes)
        )
        return replace(self, **columns, texts=texts, hashes=hashes)

    def text(self, name: str, code: int) -> str:
        return self.names[name][code] if code >= 0 else ""

    def has(self, column: str) -> bool:
        return bool(np.isfinite(getattr(self, column)).any())

    def knows(self, name: str) -> bool:
        """Whether the log has a hash of this name."""
        return bool(self.hashes[name].any())


COLUMNS = (
    "start_s",
    "duration_s",
    "ttft_s",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_usd",
    "status",
    "cache_hit",
    "attempts",
)
DTYPES: dict[str, type[np.generic]] = {"start_s": np.float64, "status": np.int16, "cache_hit": np.bool_, "attempts": np.int16}


def gather(batches: Iterable[tuple[str, pa.RecordBatch]], skipped: Skipped) -> Calls:
    """All batches (each with its file's name) as one table: in order of time, without duplicates.

    Text columns are coded as they come, so that millions of rows stay small.
    """
    kept: dict[str, list[np.ndarray]] = {name: [] for name in (*COLUMNS, *TEXTS, *HASHES)}
    codes: dict[str, dict[str, int]] = {name: {} for name in TEXTS}
    files: list[str] = []
    unordered = 0
    for file, batch in batches:
        files.append(file)
        start = batch.column("start_s").to_numpy(zero_copy_only=False)
        unordered += int((np.diff(start) < -1e-6).sum())
        for name in COLUMNS:
            column = batch.column(name)
            if name in ("cache_hit", "attempts", "status"):
                column = column.fill_null({"cache_hit": False, "attempts": 1, "status": OK}[name])
            kept[name].append(thin(column.to_numpy(zero_copy_only=False).astype(DTYPES.get(name, np.float32), copy=False)))
        for name in TEXTS:
            kept[name].append(thin(coded(batch.column(name), codes[name])))
        for name in HASHES:
            kept[name].append(thin(batch.column(name).fill_null(0).to_numpy(zero_copy_only=False)))
    arrays = {name: joined(kept, name) for name in list(kept)}
    if unordered:
        skipped.note("rows stand before earlier ones: sorted by their start", files[0], None, unordered)
    start_s = arrays["start_s"]
    if len(start_s) and (np.diff(start_s) < 0).any():
        rearrange(arrays, np.argsort(start_s, kind="stable"))
    without_duplicates(arrays, skipped, files)
    return Calls(
        **{name: arrays[name] for name in COLUMNS},
        texts={name: arrays[name] for name in TEXTS},
        hashes={name: arrays[name] for name in HASHES},
        names={name: tuple(known) for name, known in codes.items()},
    )


def thin(column: np.ndarray) -> np.ndarray:
    """A column that says the same in every row takes no memory: a view of one value. Such are columns that a log does not have."""
    first = column[:1]
    same = len(column) and (column == first) if not np.isnan(first).any() else np.isnan(column)
    return np.broadcast_to(first, column.shape) if np.all(same) else column


def taken(column: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
    if len(column) > 1 and column.strides == (0,):
        count = len(range(*rows.indices(len(column)))) if isinstance(rows, slice) else rows.sum() if rows.dtype == bool else len(rows)
        return np.broadcast_to(column[:1], int(count))
    return column[rows]


def rearrange(arrays: dict[str, np.ndarray], rows: np.ndarray) -> None:
    """In place, one column after the other, so that no more than one stands twice in memory."""
    for name, column in arrays.items():
        arrays[name] = taken(column, rows)


def joined(kept: dict[str, list[np.ndarray]], name: str) -> np.ndarray:
    pieces = kept.pop(name)
    kinds = DTYPES | dict.fromkeys(TEXTS, np.int32) | dict.fromkeys(HASHES, np.uint64)
    if not pieces:
        return np.zeros(0, kinds.get(name, np.float32))
    heads = thin(np.concatenate([piece[:1] for piece in pieces]))
    if all(piece.strides == (0,) for piece in pieces) and (heads.strides == (0,) or len(pieces) == 1):
        return np.broadcast_to(heads[:1], sum(map(len, pieces)))
    return np.concatenate(pieces)


def coded(column: pa.Array, known: dict[str, int]) -> np.ndarray:
    """Codes of a text column, -1 for null; ``known`` grows."""
    encoded = column.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    if len(known) + len(words) > MOST_NAMES:  # free text: no model, and no feature of a product, has so many
        words = [word if word in known else OTHERS for word in words]
    numbers = np.array([known.setdefault(word, len(known)) for word in words], np.int32)
    index = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.where(index >= 0, numbers[index], -1).astype(np.int16) if len(numbers) else np.full(len(column), -1, np.int16)


def without_duplicates(arrays: dict[str, np.ndarray], skipped: Skipped, files: list[str]) -> None:
    """The first of rows with the same id (exports overlap); without ids, of rows that are equal in every column, where the clock is fine
    enough that chance does not make such.
    """
    ids = arrays["id"]
    why = "a row with the same id stands before"
    if not ids.any() and len(ids) and fine_clock(arrays["start_s"]) and np.isfinite(arrays["duration_s"]).any():
        ids, why = whole_rows(arrays), "a row equal in every column stands before"
    if ids.strides != (0,) or len(ids) == 1:
        order = np.argsort(ids, kind="stable")
        same = (ids[order[1:]] == ids[order[:-1]]) & (ids[order[1:]] != 0)
        if same.any():
            again = np.zeros(len(ids), bool)
            again[order[1:]] = same
            skipped.line(why, files[0], None, int(again.sum()))
            rearrange(arrays, ~again)
    arrays["id"] = np.broadcast_to(np.uint64(0), len(arrays["start_s"]))  # has told what it can


def fine_clock(start_s: np.ndarray) -> bool:
    return bool((start_s % 1 != 0).mean() > 0.5)


def whole_rows(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """A hash of every row over all its columns."""
    found = mixed(arrays["start_s"].view(np.uint64))
    for name, column in arrays.items():
        if name != "start_s" and column.strides != (0,):
            found = mixed(found ^ column.astype(np.float64).view(np.uint64) if column.dtype != np.uint64 else found ^ column)
    return found | np.uint64(1)


def chained(calls: Calls) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows by call and time, the places there at which a call's first attempts stand, and its last ones).

    Only attempts of a call that begin where the one before failed count as such: a trace may also hold several calls of an agent.
    """
    call = calls.hashes["call"]
    if not call.any():
        order = np.arange(len(calls))
        return order, order, order
    order = np.argsort(call, kind="stable")  # within a call in order of time
    failed = calls.status[order] != OK
    same = (call[order][1:] == call[order][:-1]) & (call[order][1:] != 0)
    head = np.flatnonzero(np.concatenate([[True], ~(same & failed[:-1])]))
    return order, head, np.concatenate([head[1:], [len(order)]]) - 1


def failed_for_good(calls: Calls) -> tuple[np.ndarray, np.ndarray]:
    """Masks of rows: the last attempts of calls that failed, and their attempts before that. A row by itself is a call."""
    order, head, tail = chained(calls)
    last, before = np.zeros(len(calls), bool), np.zeros(len(calls), bool)
    last[order[tail]] = ~calls.served[order[tail]]
    before[order] = np.repeat(last[order[tail]], tail - head + 1)
    return last, before & ~last


def folded(calls: Calls, skipped: Skipped, file: str) -> Calls:
    """Rows of one call (retries, fallbacks) as one row: from the first start to the last end, the last one's answer, all their cost."""
    order, head, tail = chained(calls)
    if len(head) == len(order):
        return calls
    first, last = order[head], order[tail]
    end_s = np.nan_to_num(calls.start_s + calls.duration_s, nan=0.0)
    kept = calls.where(last)
    start_s = calls.start_s[first]
    duration_s = np.where(first == last, kept.duration_s, end_s[last] - start_s).astype(np.float32)
    waited_s = (kept.start_s - start_s).astype(np.float32)
    cost = np.add.reduceat(np.nan_to_num(calls.cost_usd[order]), head)
    one = replace(
        kept,
        start_s=start_s,
        duration_s=duration_s,
        ttft_s=kept.ttft_s + waited_s,
        cost_usd=np.where(np.isnan(kept.cost_usd) & (cost == 0), np.nan, cost).astype(np.float32),
        attempts=np.add.reduceat(calls.attempts[order], head).astype(np.int16),
    )
    skipped.note("rows are retries or fallbacks of the call before: folded into it", file, None, len(order) - len(head))
    return one.where(np.argsort(one.start_s, kind="stable"))


def no_calls() -> Calls:
    """A log without rows."""
    return gather((), Skipped())
