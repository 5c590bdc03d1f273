"""What a format of logs is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sim.importing.blocks import Flatten
from sim.importing.mapping import Block, Fields
from sim.importing.skipped import Skipped


@dataclass(frozen=True)
class Format:
    """``fields``: ours -> where it stands. ``flatten``: rows of one nested JSON object. ``text``: rows of lines that are no JSON, with
    the operator's own pattern, if one was given. ``log_of``: whose clock and calls these are, for the scenario's comments.
    """

    name: str
    fields: Fields
    log_of: str
    flatten: Flatten | None = None
    text: Callable[[Path, str | None, Skipped], Iterator[Block]] | None = None
    slow_if: bytes = b""
    spread: bool = False
    """Rows are totals of a span of time (``calls`` of them): each call is set evenly into it."""
