"""Access logs as text: lines by a pattern, which the operator's own format gives or one of the usual ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.importing.files import Lines, ahead, line_blocks
from sim.importing.mapping import Block
from sim.importing.skipped import Skipped, refuse

STRICT = {
    "msec": r"\d+\.\d+", "time_iso8601": r"\d{4}-\d\d-\d\dT\S+", "status": r"\d{1,3}|-", "request_time": r"\d+\.\d+|-",
    "response_code": r"\d{1,3}|-", "duration": r"\d+|-",
}  # fmt: skip
"""What these variables look like, so that a line of another format does not pass for one of this."""


def pattern_of(log_format: str, variable: str) -> str:
    """A regular expression (RE2) for a format with variables, each a named group up to the text that follows it.

    ``variable`` is the pattern of a variable with its name in the first group that matched.
    """
    out, place = "", 0
    for found in re.finditer(variable, log_format):
        out += re.escape(log_format[place : found.start()])
        name = re.sub(r"\W", "_", next(group for group in found.groups() if group)).strip("_").lower()
        following = log_format[found.end() : found.end() + 1]
        value = rf"[^{re.escape(following)}]*" if following and following != " " else r"\S*(?:, \S+| : \S+)*" if following else r".*"
        value = STRICT.get(name, value)
        out += f"(?P<{name}>{value})" if f"(?P<{name}>" not in out else f"(?:{value})"
        place = found.end()
    return "^" + out + re.escape(log_format[place:]) + r"\s*$"


def text_blocks(path: Path, patterns: Sequence[str], skipped: Skipped, what: str) -> Iterator[Block]:
    """Rows of the lines that the first fitting pattern of several matches. Raises ScenarioError where none fits the first lines."""
    chosen: str | None = None

    def taken_apart(lines: pa.Array) -> pa.Array | None:
        return None if chosen is None else pc.extract_regex(lines, chosen)

    for (lines, numbers), parts in ahead(numbered_lines(path, skipped), lambda given: taken_apart(given[0])):
        if chosen is None:
            head = lines.slice(0, 200)
            fits = [pc.extract_regex(head, pattern).null_count for pattern in patterns]
            if not len(head) or min(fits) == len(head):
                hint = "give the format that the server writes: --map format='…' (with its variables, as in the server's own configuration)"
                raise refuse(str(path), f"no known format of {what} fits this line", int(numbers[0]) if len(numbers) else 1, hint)
            chosen = patterns[int(np.argmin(fits))]
        parts = pc.extract_regex(lines, chosen) if parts is None else parts
        good = np.array(parts.is_valid())
        skipped.rows(f"not a line of this format of {what}", str(path), numbers[~good].tolist())
        kept = parts.filter(pa.array(good))
        table = pa.Table.from_arrays(kept.flatten(), names=[each.name for each in kept.type]) if len(kept) else pa.table({})
        yield Block(table, pa.array(numbers[good], pa.int64()))


def numbered_lines(path: Path, skipped: Skipped) -> Iterator[tuple[pa.Array, np.ndarray]]:
    """Lines that are not empty, by the block, and their numbers."""
    for block in line_blocks(path, skipped):
        lines = split(block)
        filled = np.array(pc.match_substring_regex(lines, r"\S"))
        yield lines.filter(pa.array(filled)), np.arange(block.first, block.first + len(lines))[filled]


def split(block: Lines) -> pa.Array:
    """The lines as strings, without copying them; what is not UTF-8 is replaced."""
    data = block.data if block.data.endswith(b"\n") else block.data + b"\n"
    if not data.isascii():
        data = data.decode("utf-8", "replace").encode()
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    edges = np.concatenate([[0], ends]).astype(np.int32)
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(edges), pa.py_buffer(data))
