"""Budgets as a search needs them: by how much one is missed, and whether it holds at the ends of its interval."""

from __future__ import annotations

import math

from sim.formatting import Document
from sim.scenario.budgets import parse_budget

UNKNOWN = 1.0
"""The excess of a budget of which too few samples cannot say: as bad as missing it by its whole limit."""


def excess(budget: Document) -> float:
    """By how much an entry of ``budgets`` is missed, as a share of its limit; 0 where it holds."""
    if budget["verdict"] == "ok":
        return 0.0
    value = budget["value"]["value"]
    if value is None:
        return UNKNOWN
    limit = parse_budget(budget["budget"]).limit
    off = abs(value - limit)
    # Of a share near 100 % what is missing counts: 99 % is twice as far from 99.5 % as 99.25 % is.
    room = min(limit, 1 - limit) if parse_budget(budget["budget"]).metric.unit == "share" else limit
    return off / room if room > 0 else off or math.ulp(1.0)


def surely(budget: Document) -> bool:
    """It holds over its whole interval."""
    return bool(budget["verdict"] == "ok" and not budget["straddles"])


def possibly(budget: Document) -> bool:
    """It holds somewhere in its interval."""
    return bool(budget["verdict"] == "ok" or budget["straddles"])
