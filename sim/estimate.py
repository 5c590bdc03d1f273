"""An Estimate: a value and its 95 % interval; null bounds where none can be had."""

from __future__ import annotations

from typing import NamedTuple


class Estimate(NamedTuple):
    value: float | None
    low: float | None = None
    high: float | None = None
