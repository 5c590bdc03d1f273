"""Columns of a log, of whatever type they came in, as the common table's: times, seconds, counts, money, texts, hashes, flags, statuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.importing.hashing import hashes_of

NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
ISO = (
    r"^(?P<day>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d:\d\d)(?P<part>[.,]\d+)?\s*(?P<zone>Z|z|UTC|[+-]\d\d:?\d\d|[+-]\d\d)?(?: [A-Z]{2,5})?$"
)
APACHE = r"^\[?(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<time>\d\d:\d\d:\d\d) (?P<zone>[+-]\d{4})\]?$"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
EPOCH_UNITS = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3))
"""Epoch times by their size: nanoseconds, microseconds, milliseconds; below, seconds."""
TRUE = ("true", "1", "hit", "yes")
STATUS_WORDS = {
    **dict.fromkeys(("success", "ok", "unset", "completed", "default", "", "status_code_ok", "status_code_unset", "debug", "warning"), 200),
    **dict.fromkeys(("failure", "error", "failed", "status_code_error"), 500),
    "timeout": 408, "cancelled": 499, "canceled": 499,
}  # fmt: skip
ERROR_WORDS = (
    ("ratelimit", 429), ("timeout", 408), ("authentication", 401), ("badrequest", 400), ("contextwindow", 400), ("notfound", 404),
    ("serviceunavailable", 503), ("internalserver", 500), ("apiconnection", 503), ("overloaded", 529),
)  # fmt: skip
NULLS = (
    "",
    "-",
    "null",
    "none",
    "nan",
    "{}",
    "[]",
    "REDACTED",
    "redacted",
    "redacted-by-litellm",
    '"redacted-by-litellm"',
    "Cache OFF",
    "null,null",
)

Converter = Callable[[pa.Array], pa.Array]


def flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def floats(column: pa.Array) -> pa.Array:
    """Float64; null for what is no finite number."""
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.float64())
    if is_text(column.type):
        numeric = pc.match_substring_regex(column, NUMBER)
        column = pc.cast(pc.utf8_trim_whitespace(pc.if_else(numeric, column, None)), pa.float64())
    elif not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_decimal(column.type)):
        return pa.nulls(len(column), pa.float64())
    column = pc.cast(column, pa.float64(), safe=False)
    return pc.if_else(pc.is_finite(column), column, None)


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def scaled(factor: float) -> Converter:
    def convert(column: pa.Array) -> pa.Array:
        values = pc.multiply(floats(first_of_list(column)), factor)
        return pc.cast(pc.if_else(pc.greater_equal(values, 0.0), values, None), pa.float32())

    return convert


def clock(factor: float) -> Converter:
    """A trace's own clock, which counts from zero."""
    return lambda column: pc.multiply(floats(column), factor)


def durations(column: pa.Array) -> pa.Array:
    """Seconds; also Arrow's own durations."""
    if pa.types.is_duration(column.type):
        return pc.cast(pc.divide(pc.cast(pc.cast(column, pa.duration("us"), safe=False), pa.int64()), 1e6), pa.float32())
    return scaled(1.0)(column)


def first_of_list(column: pa.Array) -> pa.Array:
    """nginx's lists of one value an upstream (``0.1, 2.3``): the last one, which answered."""
    if not is_text(column.type):
        return column
    return pc.replace_substring_regex(column, r"^.*[,:]\s+", "")


def times(column: pa.Array) -> pa.Array:
    """Epoch seconds (float64). Times without a zone count as UTC."""
    if pa.types.is_timestamp(column.type):
        return pc.divide(pc.cast(pc.cast(pc.cast(column, pa.timestamp("us", column.type.tz), safe=False), pa.int64()), pa.float64()), 1e6)
    if not is_text(column.type):
        return from_epoch(floats(column))
    first = next((str(each) for each in column if each.is_valid), "")
    if re.match(r"\d{4}-\d\d-\d\d[T ]", first):  # most logs have one format throughout, which Arrow reads at once
        zone = "UTC" if re.search(r"(Z|[+-]\d\d:?\d\d)$", first) else None
        try:
            stamped = pc.cast(column, pa.timestamp("ns", zone))
            return pc.divide(pc.cast(pc.cast(stamped, pa.int64()), pa.float64(), safe=False), 1e9)
        except pa.ArrowInvalid:
            pass
    numbers = from_epoch(floats(column))
    if numbers.null_count == column.null_count:
        return numbers
    return pc.coalesce(numbers, from_iso(column), from_apache(column))


def from_epoch(values: pa.Array) -> pa.Array:
    out = values.to_numpy(zero_copy_only=False)
    scale = np.select([np.abs(out) >= least for least, _ in EPOCH_UNITS], [unit for _, unit in EPOCH_UNITS], 1.0)
    return pc.if_else(values.is_valid(), pa.array(out * scale, pa.float64()), None)


def from_iso(column: pa.Array) -> pa.Array:
    parts = pc.extract_regex(column, ISO)
    text = pc.binary_join_element_wise(parts.field("day"), parts.field("time"), " ")
    return at(parts, pc.strptime(text, "%Y-%m-%d %H:%M:%S", "s", error_is_null=True), parts.field("part"))


def from_apache(column: pa.Array) -> pa.Array:
    parts = pc.extract_regex(column, APACHE)
    month = pc.index_in(parts.field("month"), pa.array(MONTHS))
    number = pc.utf8_lpad(pc.cast(pc.add(month, 1), pa.string()), 2, "0")
    text = pc.binary_join_element_wise(parts.field("year"), "-", number, "-", parts.field("day"), " ", parts.field("time"), "")
    return at(parts, pc.strptime(text, "%Y-%m-%d %H:%M:%S", "s", error_is_null=True), None)


def at(parts: pa.Array, stamped: pa.Array, fraction: pa.Array | None) -> pa.Array:
    seconds = pc.cast(pc.cast(stamped, pa.int64()), pa.float64())
    if fraction is not None:
        digits = pc.replace_substring(pc.if_else(pc.equal(fraction, ""), "0", fraction), ",", ".")
        seconds = pc.add(seconds, pc.cast(pc.if_else(pc.is_valid(digits), digits, "0"), pa.float64()))
    zones = parts.field("zone").dictionary_encode()
    offsets = np.array([offset_s(zone) for zone in zones.dictionary.to_pylist()] or [0.0])
    codes = zones.indices.fill_null(0).to_numpy(zero_copy_only=False)
    shifted = pc.subtract(seconds, pa.array(offsets[codes], pa.float64()))
    return pc.if_else(stamped.is_valid(), shifted, None)


def offset_s(zone: str) -> float:
    digits = zone[1:].replace(":", "")
    if not digits.isdigit():
        return 0.0
    return (-1 if zone[0] == "-" else 1) * (int(digits[:2]) * 3600 + int(digits[2:4] or 0) * 60)


def words(column: pa.Array) -> pa.Array:
    """Text: the first word of a list, whether it came as a list or as JSON text of one. Null for nothing, or what was blacked out."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        first = pc.if_else(pc.greater(pc.list_value_length(column), 0), column.offsets[:-1], None)
        column = pc.take(column.values, first)
    if pa.types.is_null(column.type) or pa.types.is_nested(column.type):
        return pa.nulls(len(column), pa.string())
    coded = pc.cast(column, pa.string()).dictionary_encode()  # few words stand in many rows
    return pc.take(plain_words(coded.dictionary), coded.indices)


def plain_words(column: pa.Array) -> pa.Array:
    if pc.any(pc.starts_with(column, "[")).as_py():
        inner = pc.extract_regex(column, r'^\[\s*"(?P<first>[^"]*)"').field("first")
        column = pc.if_else(pc.starts_with(column, "["), inner, column)
    return pc.if_else(pc.is_in(pc.utf8_trim_whitespace(column), pa.array(NULLS)), None, column)


def hashed(column: pa.Array) -> pa.Array:
    """64-bit hashes, null for nothing. The text goes no further."""
    if pa.types.is_list(column.type):
        column = pa.array([None if not each else "\n".join(map(str, each)) for each in column.to_pylist()], pa.string())
    if pa.types.is_null(column.type) or pa.types.is_nested(column.type):
        return pa.nulls(len(column), pa.uint64())
    column = pc.cast(column, pa.string())
    column = pc.if_else(pc.is_in(pc.utf8_trim_whitespace(column), pa.array(NULLS)), None, column)
    found = hashes_of(column)
    return pa.array(found, mask=found == 0)


def flags(column: pa.Array) -> pa.Array:
    if pa.types.is_boolean(column.type):
        return column
    if pa.types.is_null(column.type) or pa.types.is_nested(column.type):
        return pa.nulls(len(column), pa.bool_())
    return pc.is_in(pc.utf8_lower(pc.cast(column, pa.string())), pa.array(TRUE))


def statuses(column: pa.Array) -> pa.Array:
    """HTTP statuses from numbers, words (success, failure) and the names of errors; null for nothing. Below 400 is 200."""
    if pa.types.is_null(column.type) or pa.types.is_nested(column.type):
        return pa.nulls(len(column), pa.int16())
    encoded = pc.cast(column, pa.string()).dictionary_encode()
    codes = [status_of(word) for word in encoded.dictionary.to_pylist()]
    return pc.take(pa.array(codes, pa.int16()), encoded.indices) if codes else pa.nulls(len(column), pa.int16())


def status_of(word: Any) -> int | None:
    text = str(word).strip().lower()
    last = text.split(",")[-1].split(":")[-1].strip()
    try:
        number = int(float(last))
    except (ValueError, OverflowError):
        if text in STATUS_WORDS:
            return STATUS_WORDS[text]
        return next((code for part, code in ERROR_WORDS if part in text.replace("_", "").replace(" ", "")), 500)
    return 499 if number == 0 else 500 if number < 0 else 200 if number < 400 else min(number, 599)


CONVERTERS: dict[str, Converter] = {
    "time": times,
    "s": durations,
    "ms": scaled(1e-3),
    "us": scaled(1e-6),
    "ns": scaled(1e-9),
    "clock_s": clock(1.0),
    "clock_ms": clock(1e-3),
    "count": scaled(1.0),
    "usd": scaled(1.0),
    "cents": scaled(0.01),
    "text": words,
    "hash": hashed,
    "flag": flags,
    "status": statuses,
}
