"""From a block of a log, in its own words, to rows of the common table: which of its columns stands for which of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from sim.importing.calls import HASHES, SCHEMA, TEXTS
from sim.importing.files import ahead
from sim.importing.skipped import Skipped
from sim.importing.values import CONVERTERS, flat, is_text


class Field(NamedTuple):
    """``kind``: a key of CONVERTERS. ``names``: columns of the log, the first that has a value counts."""

    kind: str
    names: tuple[str, ...]


Fields = Mapping[str, Field]
KINDS = {
    "start": "time", "end": "time", "first_token": "time", "duration": "s", "ttft": "s", "per_token": "s", "input_tokens": "count",
    "output_tokens": "count", "total_tokens": "count", "cached_tokens": "count", "cost": "usd", "status": "status", "error": "status",
    "cache_hit": "flag", "attempts": "count", "uncached_input": "flag", **dict.fromkeys(TEXTS, "text"), **dict.fromkeys(HASHES, "hash"),
}  # fmt: skip
"""Our names, as ``--map`` uses them, and what they are. ``end`` and ``first_token`` are times that durations follow from."""
FAR_PAST_S, FAR_FUTURE_S = 946_684_800.0, 4_102_444_800.0
"""2000 and 2100: a clock outside has jumped. Traces that count from zero lie before and are left alone."""


def field(kind: str, *names: str) -> Field:
    return Field(kind, names)


class Block(NamedTuple):
    """Some rows of a log under its own column names, and the line that each stands on (int64)."""

    table: pa.Table
    line: pa.Array


def wanted(fields: Fields) -> set[str]:
    """All columns of a log that may matter."""
    return {name for each in fields.values() for name in each.names}


def column_of(table: pa.Table, name: str) -> pa.Array | None:
    """A column by its name, or by a path with dots into structs; None where there is none."""
    if name in table.column_names:
        return flat(table.column(name))
    top, _, rest = name.partition(".")
    if rest and top in table.column_names and pa.types.is_struct(table.column(top).type):
        inside = flat(table.column(top))
        return column_of(pa.Table.from_arrays(inside.flatten(), names=[each.name for each in inside.type]), rest)
    if rest and top in table.column_names and is_text(flat(table.column(top)).type):
        return in_text(flat(table.column(top)), rest)
    return None


def in_text(column: pa.Array, path: str) -> pa.Array | None:
    """A path into JSON that stands in a column as text, as exports of databases have it. What is no JSON says nothing."""
    keys = path.split(".")
    rows = np.flatnonzero(np.asarray(pc.fill_null(pc.match_substring(column, f'"{keys[-1]}"'), False)))
    if not len(rows):
        return None
    values: list[str | None] = [None] * len(column)
    for row, text in zip(rows.tolist(), column.take(pa.array(rows)).to_pylist(), strict=True):
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        values[row] = None if found is None or isinstance(found, (dict, list)) else str(found)
    return pa.array(values, pa.string())


def converted(table: pa.Table, each: Field) -> pa.Array | None:
    found: pa.Array | None = None
    for name in each.names:
        column = column_of(table, name)
        if column is None or column.null_count == len(column):
            continue
        values = CONVERTERS[each.kind](column)
        found = values if found is None else pc.coalesce(found, values)
        if not found.null_count:
            break
    return found


def rows_of(block: Block, fields: Fields, file: str, skipped: Skipped) -> pa.RecordBatch:
    """Rows with a usable time, as SCHEMA has them. The others are counted with the line of the first."""
    got = {name: converted(block.table, each) for name, each in fields.items()}
    count = block.table.num_rows
    columns = {name: got.get(name) for name in (*TEXTS, *HASHES, "cached_tokens", "input_tokens", "output_tokens", "cache_hit")}
    columns |= {"start_s": got.get("start"), "duration_s": got.get("duration"), "ttft_s": got.get("ttft"), "cost_usd": got.get("cost")}
    derive_times(columns, got)
    derive_tokens(columns, got)
    columns["status"] = combined_status(got)
    attempts = got.get("attempts")
    columns["attempts"] = None if attempts is None else pc.cast(pc.max_element_wise(attempts, 1.0), pa.int16(), safe=False)
    columns["line"] = block.line
    arrays = [fitting(columns.get(each.name), each.type, count) for each in SCHEMA]
    batch = pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
    return usable(batch, file, skipped)


def fitting(column: pa.Array | None, kind: pa.DataType, count: int) -> pa.Array:
    return pa.nulls(count, kind) if column is None else pc.cast(column, kind, safe=False)


def derive_times(columns: dict[str, pa.Array | None], got: dict[str, pa.Array | None]) -> None:
    start, end, first, duration = columns["start_s"], got.get("end"), got.get("first_token"), columns["duration_s"]
    if start is None and end is not None:
        columns["start_s"] = start = (
            end if duration is None else pc.subtract(end, pc.if_else(duration.is_valid(), pc.cast(duration, "float64"), 0.0))
        )
        end = None
    if start is None:
        return
    for name, until in (("duration_s", end), ("ttft_s", first)):
        if until is not None:
            span = pc.cast(pc.subtract(until, start), pa.float32())
            columns[name] = span if columns[name] is None else pc.coalesce(columns[name], span)
    per_token, output = got.get("per_token"), columns["output_tokens"]
    if per_token is not None and output is not None and columns["ttft_s"] is not None and columns["duration_s"] is None:
        columns["duration_s"] = pc.add(columns["ttft_s"], pc.multiply(per_token, pc.max_element_wise(pc.subtract(output, 1.0), 0.0)))


def derive_tokens(columns: dict[str, pa.Array | None], got: dict[str, pa.Array | None]) -> None:
    total, inside, out = got.get("total_tokens"), columns["input_tokens"], columns["output_tokens"]
    if total is not None and inside is not None and out is None:
        columns["output_tokens"] = pc.subtract(total, inside)


def combined_status(got: dict[str, pa.Array | None]) -> pa.Array | None:
    """An error's own status wins over the word that there was one."""
    status, error = got.get("status"), got.get("error")
    if error is None or status is None:
        return error if status is None else status
    return pc.if_else(pc.and_(error.is_valid(), pc.not_equal(error, 200)), error, status)


def usable(batch: pa.RecordBatch, file: str, skipped: Skipped) -> pa.RecordBatch:
    start = batch.column("start_s")
    jumped = pc.or_(pc.greater(start, FAR_FUTURE_S), pc.less(start, 0.0))
    for why, bad in (("no time that can be read", start.is_null()), ("a clock outside 1970 to 2100", pc.fill_null(jumped, False))):
        if (bad_count := pc.sum(bad).as_py() or 0) > 0:
            lines = batch.column("line").filter(bad)
            skipped.line(why, file, lines[0].as_py(), bad_count)
    keep = pc.and_(start.is_valid(), pc.invert(pc.fill_null(jumped, False)))
    batch = batch if pc.all(keep).as_py() is not False else batch.filter(keep)
    return sane(batch, file, skipped)


def sane(batch: pa.RecordBatch, file: str, skipped: Skipped) -> pa.RecordBatch:
    """Durations below zero (a clock that jumped between start and end) are not known; a first token comes before the last."""
    duration, ttft = batch.column("duration_s"), batch.column("ttft_s")
    backwards = pc.fill_null(pc.less(duration, 0.0), False)
    late = pc.fill_null(pc.or_(pc.less(ttft, 0.0), pc.greater(ttft, pc.add(duration, 1e-3))), False)
    for why, bad in (("an end before the start: its duration is not used", backwards), ("a first token outside the call: not used", late)):
        if (count := pc.sum(bad).as_py() or 0) > 0:
            skipped.note(why, file, batch.column("line").filter(bad)[0].as_py(), count)
    batch = batch.set_column(batch.schema.get_field_index("duration_s"), "duration_s", pc.if_else(backwards, None, duration))
    return batch.set_column(batch.schema.get_field_index("ttft_s"), "ttft_s", pc.if_else(pc.or_(late, backwards), None, ttft))


def rows_in(blocks: Iterator[Block], fields: Fields, file: str, skipped: Skipped) -> Iterator[tuple[str, pa.RecordBatch]]:
    def work(block: Block) -> tuple[pa.RecordBatch, Skipped]:
        own = Skipped()
        return rows_of(block, fields, file, own), own

    for _, (batch, own) in ahead((block for block in blocks if block.table.num_rows), work):
        skipped.add(own)
        yield file, batch
