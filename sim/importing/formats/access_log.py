"""Access logs as text: lines by a pattern, which the operator's own format gives or one of the usual ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.importing.files import line_blocks
from sim.importing.mapping import Block
from sim.importing.skipped import Skipped, refuse


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
        out += f"(?P<{name}>{value})" if f"(?P<{name}>" not in out else f"(?:{value})"
        place = found.end()
    return "^" + out + re.escape(log_format[place:]) + r"\s*$"


def text_blocks(path: Path, patterns: Sequence[str], skipped: Skipped, what: str) -> Iterator[Block]:
    """Rows of the lines that the first fitting pattern of several matches. Raises ScenarioError where none fits the first lines."""
    chosen: str | None = None
    for block in line_blocks(path, skipped):
        lines = pa.array([line.decode("utf-8", "replace") for line in block.data.split(b"\n")][: block.data.count(b"\n") or 1], pa.string())
        numbers = np.arange(block.first, block.first + len(lines))
        filled = np.array(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(lines)), 0))
        lines, numbers = lines.filter(pa.array(filled)), numbers[filled]
        if chosen is None:
            head = lines.slice(0, 200)
            fits = [pc.extract_regex(head, pattern).null_count for pattern in patterns]
            if not len(head) or min(fits) == len(head):
                hint = "give the format that the server writes: --map format='…' (with its variables, as in the server's own configuration)"
                raise refuse(str(path), f"no known format of {what} fits this line", int(numbers[0]) if len(numbers) else 1, hint)
            chosen = patterns[int(np.argmin(fits))]
        parts = pc.extract_regex(lines, chosen)
        good = np.array(parts.is_valid())
        skipped.rows(f"not a line of this format of {what}", str(path), numbers[~good].tolist())
        kept = parts.filter(pa.array(good))
        table = pa.Table.from_arrays(kept.flatten(), names=[each.name for each in kept.type]) if len(kept) else pa.table({})
        yield Block(table, pa.array(numbers[good], pa.int64()))
