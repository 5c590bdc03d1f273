"""One limit's row in ``Run.usage``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Row = dict[str, Any]


def row(words: str, capacity: float, unit: str, demand: float, of: Literal["requests", "attempts"] = "requests") -> Row:
    """A limit that has refused nothing; ``of``: what it refuses."""
    return {
        "limit": words, "capacity": capacity, "unit": unit, "demand": demand, "load": demand / capacity,
        "refused": 0, "refused_share": 0.0, "refused_of": of,
    }  # fmt: skip


def blame(rows: Sequence[Row], refused: int, among: int) -> None:
    """Count refusals, of ``among`` requests or attempts, under the limit with the highest load."""
    if rows and refused:
        worst = max(rows, key=lambda one: float(one["load"]))
        worst["refused"] += refused
        worst["refused_share"] = worst["refused"] / among
