"""Reading logs: files of one format into one table of attempts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from sim.importing.blocks import blocks_of
from sim.importing.calls import Calls, gather
from sim.importing.columns import GUESSES, columns_in, guesses
from sim.importing.files import BROKEN, container, opened
from sim.importing.formats import FORMATS
from sim.importing.formats.format import Format
from sim.importing.mapping import KINDS, Block, Field, Fields, column_of, rows_in, wanted
from sim.importing.skipped import Skipped, refuse
from sim.importing.values import CONVERTERS, NULLS
from sim.scenario.errors import did_you_mean

UNITS = ("s", "ms", "us", "ns", "cents", "usd")
SUFFIXES = {"_ms": "ms", "_us": "us", "_ns": "ns", "_s": "s", "_cents": "cents"}
SPELT = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "usd": "US dollars", "cents": "cents"}


def read(kind: str, paths: Sequence[Path], mapping: Mapping[str, str], skipped: Skipped) -> tuple[Calls, Format]:
    """Attempts of all files. Raises ScenarioError for files that cannot be read, a mapping that does not fit, or nothing to use."""
    layout = FORMATS[kind]
    pattern = mapping.get("format")
    if pattern is not None and layout.text is None:
        raise refuse("--map", f"format= is for access logs in text (nginx, envoy); {kind} has columns")
    own = {ours: mapped(ours, theirs) for ours, theirs in mapping.items() if ours != "format"}
    fields: Fields = {**layout.fields, **own}
    missing = set(own)
    seen: dict[str, None] = {}
    unread: dict[str, str] = {}

    def batches() -> Iterator[tuple[str, pa.RecordBatch]]:
        for path in paths:
            blocks = watched(blocks_in(path, layout, fields, pattern, skipped), own, missing, seen, unread)
            yield from rows_in(with_times(blocks, fields, str(path), skipped), fields, str(path), skipped)

    calls = gather(batches(), skipped)
    pa.default_memory_pool().release_unused()  # Arrow keeps what its blocks took for other blocks
    files = ", ".join(map(str, paths))
    if missing:
        columns = {**columns_in(paths[0]), **seen}
        taken = {field.names[0] for ours, field in own.items() if ours not in missing}
        only = sorted(missing) + [ours for ours in GUESSES if ours not in own and kind == "table"]
        raise refuse("--map", unknown_columns(sorted(missing), own, columns), hint=guesses(columns, only, taken))
    if unread:
        raise refuse("--map", "; ".join(unreadable(ours, own[ours], value) for ours, value in sorted(unread.items())), hint=MAPPED)
    for ours, theirs in mapping.items():
        if ours in own and own[ours].kind in SPELT and not theirs.endswith(f":{own[ours].kind}"):
            name = own[ours].names[0]
            other = "ms" if own[ours].kind == "s" else "s" if KINDS[ours] == "s" else "cents"
            skipped.note(f"{ours}={name} is taken for {SPELT[own[ours].kind]} ({ours}={name}:{other} says otherwise)", files, None)
    if not len(calls):
        said = [*skipped.says()[:3], other_kind(paths[0], kind) or guesses({**columns_in(paths[0]), **seen})]
        raise refuse(
            files, "holds no call that could be used", hint="; ".join(filter(None, said)) or f"a log of {kind} is that of {layout.log_of}"
        )
    if not calls.served.any():
        codes, counts = np.unique(calls.status, return_counts=True)
        told = ", ".join(f"{count:,} with {code}" for code, count in sorted(zip(codes, counts, strict=True), key=lambda pair: -pair[1])[:3])
        raise refuse(
            files, f"every one of its {len(calls):,} calls failed ({told}): neither latencies nor sizes of answers can be learned from it",
            hint="give a log of a time in which calls were answered; if these were, --map status=COLUMN says where their status stands",
        )  # fmt: skip
    return calls, layout


def mapped(ours: str, theirs: str) -> Field:
    """``duration=took_ms`` or ``duration=took:ms``. Raises ScenarioError."""
    if ours not in KINDS:
        raise refuse("--map", f"{ours!r} is none of ours", hint=did_you_mean(ours, KINDS) or f"ours are {', '.join(KINDS)}")
    name, colon, unit = theirs.rpartition(":")
    if not colon or unit not in UNITS:
        name, unit = theirs, next((unit for end, unit in SUFFIXES.items() if theirs.lower().endswith(end)), "")
    kind = KINDS[ours]
    if kind in ("s", "usd") and unit in (("s", "ms", "us", "ns") if kind == "s" else ("cents", "usd")):
        kind = unit
    return Field(kind, (name,))


def blocks_in(path: Path, layout: Format, fields: Fields, pattern: str | None, skipped: Skipped) -> Iterator[Block]:
    if layout.text is not None and (pattern is not None or container(path) == "csv"):
        return layout.text(path, pattern, skipped)
    return blocks_of(path, wanted(fields), skipped, layout.flatten, layout.slow_if)


def watched(
    blocks: Iterator[Block], own: dict[str, Field], missing: set[str], seen: dict[str, None], unread: dict[str, str]
) -> Iterator[Block]:
    """Which of the mapped columns were there at all, which columns there are, and a value of each whose values all say nothing."""
    read: set[str] = set()
    for block in blocks:
        for ours in own.keys() - read - {"status", "error", "cache_hit"}:  # any word is a status or a flag
            column = column_of(block.table, own[ours].names[0])
            if column is None:
                continue
            known = (each.as_py() for each in column.drop_null()[:1000])
            value = next((each for each in known if str(each) not in NULLS), None)
            if value is None:
                continue
            if CONVERTERS[own[ours].kind](column).null_count < len(column):
                read.add(ours)
                unread.pop(ours, None)
            else:
                unread.setdefault(ours, str(value)[:40])
        if missing or not seen:
            for name in block.table.column_names:
                if not pa.types.is_null(block.table.column(name).type):
                    seen.setdefault(name)
            missing -= {ours for ours in missing if own[ours].names[0] in block.table.column_names and own[ours].names[0] in seen}
        yield block


def with_times(blocks: Iterator[Block], fields: Fields, file: str, skipped: Skipped) -> Iterator[Block]:
    """A log without any column of times still tells sizes and latencies: its rows are set one a second."""
    clocks = {name for ours in ("start", "end") if ours in fields for name in fields[ours].names}
    timed: bool | None = None
    for table, line in blocks:
        if timed is None and table.num_rows:
            timed = bool(clocks & set(table.column_names)) or any(name.partition(".")[0] in table.column_names for name in clocks)
            if not timed:
                if not any(name in table.column_names and not pa.types.is_null(table.column(name).type) for name in wanted(fields)):
                    columns = dict.fromkeys(table.column_names)
                    raise refuse(
                        file, f"has none of the columns of a log; it has {', '.join(columns)[:200]}",
                        hint=other_kind(Path(file)) or guesses(columns),
                    )  # fmt: skip
                skipped.note(NO_TIMES, file, None)
        yield Block(table, line) if timed or not table.num_rows else Block(table.append_column(next(iter(clocks)), seconds_of(line)), line)


NO_TIMES = "log without times: its rows are set one a second, so the rate means nothing"


def seconds_of(line: pa.Array) -> pa.Array:
    return pa.array(np.asarray(line, np.float64), pa.float64())


def unknown_columns(missing: Sequence[str], own: Mapping[str, Field], seen: Mapping[str, None]) -> str:
    told = ", ".join(f"{ours}={own[ours].names[0]}" for ours in missing)
    return f"no such column: {told}; the log has {', '.join(sorted(seen)) or 'none'}"


MAPPED = "expected numbers for durations, counts and costs, and for times a number or a date such as 2026-03-02T10:00:00Z"


def unreadable(ours: str, field: Field, value: str) -> str:
    meant = "a time" if KINDS[ours] == "time" else "a duration" if KINDS[ours] == "s" else "a number"
    return f"{ours}={field.names[0]}: no value of the column can be read as {meant}; one is {value!r}"


def other_kind(path: Path, kind: str = "") -> str:
    """The format whose columns the head of a file names best, where that is another one."""
    with opened(path) as file:
        try:
            head = file.read(1 << 16)
        except BROKEN:
            return ""

    def named(layout: Format) -> int:
        return sum(any(b'"' + name.rpartition(".")[2].encode() + b'"' in head for name in each.names) for each in layout.fields.values())

    best = max(FORMATS, key=lambda name: named(FORMATS[name]))
    least = named(FORMATS[kind]) if kind else 0
    return f"it looks like a log of {best}: tenfold import {best}" if best != kind and named(FORMATS[best]) > max(3, least) else ""


def counted_from_zero(calls: Calls) -> Calls:
    """The same with its first call at zero."""
    return replace(calls, start_s=calls.start_s - calls.start_s[0])
