"""Any log file as blocks of rows under its own column names, whatever it is packed in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.json

from sim.importing.files import BLOCK, Lines, ahead, container, csv_rows, document, line_blocks, parquet_rows
from sim.importing.mapping import Block
from sim.importing.skipped import Skipped, refuse

Flatten = Callable[[dict[str, Any]], Iterable[dict[str, Any]]]
NO_OBJECT = "not a JSON object"
SCALARS = (str, int, float, bool)
LISTS = ("data", "results", "items", "rows", "observations", "resourceSpans", "spans", "logs")
"""Where a JSON document that is an object keeps its rows."""
WRAPS = ("log", "message", "msg", "line", "jsonPayload", "payload", "event", "_source", "body", "attributes")
"""Where collectors of logs keep the line that they were given."""


def blocks_of(path: Path, names: set[str], skipped: Skipped, flatten: Flatten | None = None, slow_if: bytes = b"") -> Iterator[Block]:
    """Rows of a JSON, CSV or Parquet file with the columns ``names``, as far as it has them.

    ``flatten`` makes rows of each JSON object first. Blocks that hold ``slow_if`` are read in Python, because Arrow would lose what
    they say.
    """
    kind = container(path)
    if kind == "empty":
        return
    if kind == "json":
        yield from json_blocks(path, names, skipped, flatten, slow_if)
    elif kind == "document":
        yield from document_blocks(path, names, skipped, flatten)
    else:
        for first, table in csv_rows(path, skipped) if kind == "csv" else parquet_rows(path):
            yield Block(table, numbered(first, table.num_rows))


def numbered(first: int, count: int) -> pa.Array:
    import numpy as np

    return pa.array(np.arange(first, first + count, dtype=np.int64))


@dataclass
class Seen:
    """Of the rows so far: names that are one key in some, dots and all; whether some stood in others, or paths led through no objects."""

    dotted: set[str] = field(default_factory=set)
    wrapped: bool = False
    blocked: bool = False


def json_blocks(path: Path, names: set[str], skipped: Skipped, flatten: Flatten | None, slow_if: bytes) -> Iterator[Block]:
    """JSON lines. The first block, and any that Arrow refuses, is read line by line; the rest by Arrow, with the types seen so far."""
    schema: pa.Schema | None = None
    seen = Seen()

    def typed_blocks() -> Iterator[tuple[Lines, pa.Schema | None]]:
        for block in line_blocks(path, skipped):
            yield block, None if slow() else schema

    def slow() -> bool:
        return flatten is not None or seen.wrapped

    for (block, types), found in ahead(typed_blocks(), lambda given: None if given[1] is None else by_arrow(*given, seen, slow_if)):
        if found is None and schema is not None and types is not schema and not slow():
            found = by_arrow(block, schema, seen, slow_if)  # more is known than when its turn came
        if found is None:
            found = by_line(block, str(path), names, skipped, flatten, seen)
            schema = merged(schema, found.table.schema)
        yield found


def by_arrow(block: Lines, schema: pa.Schema, seen: Seen, slow_if: bytes = b"") -> Block | None:
    """None where a value does not have the type that its column had so far, a line is no object, or ``slow_if`` stands in it."""
    table = None if seen.blocked else parsed(block, every(schema, seen.dotted, slow_if.strip(b'"').decode()))
    if table is None and slow_if and slow_if in block.data:
        return None
    if table is None:
        table = parsed(block, present(schema, block.data, seen.dotted))
        seen.blocked |= table is not None
    if table is None:
        return None
    table = table.drop_columns([each.name for each in table.schema if "." in each.name and pa.types.is_null(each.type)])
    return Block(table, numbered(block.first, table.num_rows)) if table.num_rows == block.many else None


def parsed(block: Lines, schema: pa.Schema) -> pa.Table | None:
    options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        return pyarrow.json.read_json(pa.BufferReader(block.data), pyarrow.json.ReadOptions(block_size=2 * BLOCK), options)
    except pa.ArrowInvalid:
        return None


def every(schema: pa.Schema, dotted: set[str], key: str = "") -> pa.Schema:
    """All columns, those that were never met as keys and as paths, and ``key`` in objects that were empty so far: what is there all the
    same is an error.
    """
    empty = pa.struct([])
    schema = pa.schema([each.with_type(pa.struct([(key, pa.null())])) if key and each.type == empty else each for each in schema])
    alone = [each for each in schema if "." not in each.name or each.name in dotted or pa.types.is_null(each.type)]
    return pa.schema([*alone, *nested(pa.schema([each for each in schema if "." in each.name and each.name not in dotted]))])


def present(schema: pa.Schema, data: bytes, dotted: set[str]) -> pa.Schema:
    """The columns that a block may have. ``dotted``: names that are one key, dots and all (``gen_ai.request.model``); others are paths.

    A column that was empty so far is null, and its first value an error. A path that was never met is asked for only where its last key
    stands in the block: what it would lead through may be no object.
    """

    def met(each: pa.Field) -> bool:
        return not pa.types.is_null(each.type) or b'"' + each.name.rpartition(".")[2].encode() + b'"' in data

    def alone(name: str) -> bool:
        return "." not in name or name in dotted

    paths = [each for each in schema if not alone(each.name) and met(each)]
    unmet = [each for each in schema if not alone(each.name) and pa.types.is_null(each.type) and b'"' + each.name.encode() + b'"' in data]
    return pa.schema([*(each for each in schema if alone(each.name)), *unmet, *nested(pa.schema(paths))])


def nested(schema: pa.Schema) -> pa.Schema:
    """``usage.input`` and ``usage.output`` as a struct ``usage``."""
    plain: list[pa.Field] = []
    structs: dict[str, list[pa.Field]] = {}
    for each in schema:
        top, _, rest = each.name.partition(".")
        if rest:
            structs.setdefault(top, []).append(pa.field(rest, each.type))
        else:
            plain.append(each)
    return pa.schema([*plain, *(pa.field(top, pa.struct(list(nested(pa.schema(inside))))) for top, inside in structs.items())])


def merged(schema: pa.Schema | None, other: pa.Schema) -> pa.Schema:
    if schema is None:
        return other
    types = {each.name: each.type for each in schema if not pa.types.is_null(each.type)}
    for each in other:
        if not pa.types.is_null(each.type):
            types[each.name] = pa.string() if types.get(each.name, each.type) != each.type else each.type
    return pa.schema([pa.field(name, types.get(name, pa.null())) for name in dict.fromkeys([*schema.names, *other.names])])


def by_line(block: Lines, file: str, names: set[str], skipped: Skipped, flatten: Flatten | None, seen: Seen) -> Block:
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    for number, line in enumerate(block.data.split(b"\n"), start=block.first):
        text = line.strip().rstrip(b",")
        if not text or text in (b"[", b"]"):
            continue
        row = object_in(text)
        if row is None:
            skipped.line(NO_OBJECT, file, number)
            continue
        made = unwrapped(row, names) if flatten is None else list(flatten(row))
        seen.wrapped |= len(made) != 1 or made[0] is not row
        rows += made
        lines += [number] * len(made)
    seen.dotted |= {name for name in names if "." in name and any(name in row for row in rows)}
    return Block(table_of(rows, names), pa.array(lines, pa.int64()))


def object_in(text: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, also behind what a collector of logs has put before it; None where there is none."""
    if text[:1] != b"{":
        text = text[text.find(b"{") :] if b"{" in text else b""
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            row = json.loads(text.decode("utf-8", "replace"))  # which also takes NaN
        except ValueError:
            return None
    return row if isinstance(row, dict) else None


def unwrapped(row: dict[str, Any], names: set[str]) -> list[dict[str, Any]]:
    """The rows that stand in a row: lists of an API's answer, or one as Docker, CloudWatch or a cloud's logging hands it on."""

    def known(each: dict[str, Any]) -> int:
        return sum(name in each for name in tops)

    tops = {name.partition(".")[0] for name in names} | names
    for key in LISTS:
        inside = row.get(key)
        if isinstance(inside, list) and inside and isinstance(inside[0], dict) and known(inside[0]) > known(row):
            return [each for each in inside if isinstance(each, dict)]
    for key in WRAPS:
        inside = row.get(key)
        if isinstance(inside, str) and inside.lstrip()[:1] == "{":
            inside = object_in(inside.encode())
        if isinstance(inside, dict) and known(inside) > known(row):
            return [inside]
    return [row]


def document_blocks(path: Path, names: set[str], skipped: Skipped, flatten: Flatten | None) -> Iterator[Block]:
    content = document(path, skipped)
    if isinstance(content, dict) and flatten is None:
        content = next((content[name] for name in LISTS if isinstance(content.get(name), list)), [content])
    rows = content if isinstance(content, list) else [content]
    if any(not isinstance(row, dict) for row in rows):
        raise refuse(str(path), "expected a list of JSON objects")
    made = rows if flatten is None else [each for row in rows for each in flatten(row)]
    yield Block(table_of(made, names), numbered(1, len(made)))


def table_of(rows: list[dict[str, Any]], names: set[str]) -> pa.Table:
    """The wanted columns, each of one type: what is mixed becomes text, and so do lists and objects."""
    columns = {name: [looked_up(row, name) for row in rows] for name in sorted(names)}
    return pa.table({name: typed(values) for name, values in columns.items()})


def looked_up(row: Any, name: str) -> Any:
    if isinstance(row, dict):
        if name in row:
            return row[name]
        top, _, rest = name.partition(".")
        return looked_up(row.get(top), rest) if rest else None
    return None


def typed(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pa.nulls(len(values))
    if kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if kinds == {dict} and not any(values):
        return pa.nulls(len(values), pa.struct([]))  # {} is how blacked-out prompts look
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {list} and all(isinstance(word, str) for value in values for word in value or ()):
        return pa.array(values, pa.list_(pa.string()))
    return pa.array([as_text(value) for value in values], pa.string())


def as_text(value: Any) -> str | None:
    if value is None or value == {} or value == []:
        return None
    return str(value) if isinstance(value, SCALARS) else orjson.dumps(value).decode()
