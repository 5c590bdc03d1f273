"""The one table that every log becomes: a row per call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

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

    def where(self, rows: np.ndarray | slice) -> Calls:
        """Some of the rows, by mask, by order or by slice."""
        columns = {name: getattr(self, name)[rows] for name in COLUMNS}
        texts = {name: column[rows] for name, column in self.texts.items()}
        return replace(self, **columns, texts=texts, hashes={name: column[rows] for name, column in self.hashes.items()})

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
            kept[name].append(column.to_numpy(zero_copy_only=False).astype(DTYPES.get(name, np.float32), copy=False))
        for name in TEXTS:
            kept[name].append(coded(batch.column(name), codes[name]))
        for name in HASHES:
            kept[name].append(batch.column(name).fill_null(0).to_numpy(zero_copy_only=False))
    arrays = {name: joined(kept, name) for name in list(kept)}
    names = {name: tuple(known) for name, known in codes.items()}
    calls = Calls(
        **{name: arrays[name] for name in COLUMNS},
        texts={name: arrays[name] for name in TEXTS},
        hashes={name: arrays[name] for name in HASHES},
        names=names,
    )
    if unordered:
        skipped.note("rows stand before earlier ones: sorted by their start", files[0], None, unordered)
    if len(calls) and (np.diff(calls.start_s) < 0).any():
        calls = calls.where(np.argsort(calls.start_s, kind="stable"))
    return without_duplicates(calls, skipped, files)


def joined(kept: dict[str, list[np.ndarray]], name: str) -> np.ndarray:
    pieces = kept.pop(name)
    kinds = DTYPES | dict.fromkeys(TEXTS, np.int32) | dict.fromkeys(HASHES, np.uint64)
    return np.concatenate(pieces) if pieces else np.zeros(0, kinds.get(name, np.float32))


def coded(column: pa.Array, known: dict[str, int]) -> np.ndarray:
    """Codes (int32) of a text column, -1 for null; ``known`` grows."""
    encoded = column.dictionary_encode()
    numbers = np.array([known.setdefault(word, len(known)) for word in encoded.dictionary.to_pylist()], np.int32)
    index = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.where(index >= 0, numbers[index], -1).astype(np.int32) if len(numbers) else np.full(len(column), -1, np.int32)


def without_duplicates(calls: Calls, skipped: Skipped, files: list[str]) -> Calls:
    """The first of rows with the same id (exports overlap)."""
    ids = calls.hashes["id"]
    if not ids.any():
        return calls
    order = np.argsort(ids, kind="stable")
    again = np.zeros(len(ids), bool)
    again[order[1:]] = (ids[order][1:] == ids[order][:-1]) & (ids[order][1:] != 0)
    if not again.any():
        return calls
    skipped.line("a row with the same id stands before", files[0], None, int(again.sum()))
    return calls.where(~again)


def folded(calls: Calls, skipped: Skipped, file: str) -> Calls:
    """Rows of one call (retries, fallbacks) as one row: from the first start to the last end, the last one's answer, all their cost.

    Only attempts of a call that begin where the one before failed count as such: a trace may also hold several calls of an agent.
    """
    call = calls.hashes["call"]
    if not call.any():
        return calls
    order = np.argsort(call, kind="stable")  # within a call in order of time
    failed = calls.status[order] != OK
    same = (call[order][1:] == call[order][:-1]) & (call[order][1:] != 0)
    retried = np.concatenate([[False], same & failed[:-1]])
    if not retried.any():
        return calls
    head = np.flatnonzero(~retried)
    tail = np.concatenate([head[1:], [len(order)]]) - 1
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
    skipped.note("rows are retries or fallbacks of the call before: folded into it", file, None, int(retried.sum()))
    return one.where(np.argsort(one.start_s, kind="stable"))


def no_calls() -> Calls:
    """A log without rows."""
    return gather((), Skipped())
