"""The columns that a log has, and what they may be: for whoever mapped one that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

import orjson

from sim.importing.files import BROKEN, OBJECT_AT_END, container, opened
from sim.importing.formats import FORMATS

GUESSES = {
    "start": ("start", "when", "time", "date", "created"), "duration": ("duration", "latency", "elapsed", "e2e", "took"),
    "ttft": ("ttft", "first"),
    "input_tokens": ("input", "prompt", "context", "n_in"), "output_tokens": ("output", "completion", "generated", "response", "n_out"),
    "model": ("model",), "cost": ("cost", "price", "spend"), "status": ("status", "code"),
}  # fmt: skip
HEAD = 1 << 18


def columns_in(path: Path) -> dict[str, None]:
    """Keys of the JSON objects at a file's head, in order; nothing of other files, whose tables have all their columns."""
    if container(path) not in ("json", "document"):
        return {}
    with opened(path) as file:
        try:
            lines = file.read(HEAD).split(b"\n")[:50]
        except BROKEN:
            return {}
    found: dict[str, None] = {}
    for line in lines:
        inner = OBJECT_AT_END.search(line)
        try:
            row = orjson.loads(inner.group().strip().rstrip(b",")) if inner else None
        except orjson.JSONDecodeError:
            continue
        found |= dict.fromkeys(row) if isinstance(row, dict) else {}
    return found


def guesses(columns: Iterable[str], only: Sequence[str] = tuple(GUESSES), taken: Iterable[str] = ()) -> str:
    """What the columns that are there may be, each once and the best first: known names of any format, then names that sound alike."""
    left = [name for name in columns if name not in taken]
    known = {name: {ours for layout in FORMATS.values() for ours, each in layout.fields.items() if name in each.names} for name in left}
    ranked = []
    for ours in only:
        for place, name in enumerate(left):
            if known[name]:
                rank = 0 if ours in known[name] else None
            else:
                parts = (index for index, part in enumerate(GUESSES.get(ours, ())) if part in name.lower())
                rank = next((1 + index for index in parts), 9 if get_close_matches(ours, [name]) else None)
            if rank is not None:
                ranked.append((rank, place, ours, name))
    found: dict[str, str] = {}
    for _, _, ours, name in sorted(ranked):
        if ours not in found and name not in found.values():
            found[ours] = name
    return "perhaps: " + " ".join(f"--map {ours}={found[ours]}" for ours in only if ours in found) if found else ""
