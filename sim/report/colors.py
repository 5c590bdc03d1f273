"""Colour roles of what the report draws, by name. What has no colour of its own yet takes the next that is free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sim.analysis.latency_breakdown import OTHER
from sim.data.outcomes import KINDS
from sim.gateway.rows import PARTS

SERIES = tuple(f"series-{number}" for number in range(8))
OUTCOMES = {
    "ok": "ok", "cache_hit": "cache-hit", "stale": "stale", "canned": "canned", "rejected": "rejected", "rate_limited": "rate-limited",
    "timeout": "timeout", "error": "error", "abandoned": "abandoned",
}  # fmt: skip
LATENCY_PARTS = {
    "queue_wait_s": "series-3", "coalesced_s": "series-7", "cpu_s": "series-5", "failed_s": "series-6", "backoff_s": "series-2",
    "first_token_s": "series-0", "generation_s": "series-1",
}  # fmt: skip


def roles(names: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """A role for each name: that of the table, else the next of SERIES that the table does not use, over and over."""
    free = [role for role in SERIES if role not in known.values()] or list(SERIES)
    found: dict[str, str] = {}
    missing = 0
    for name in names:
        if name in known:
            found[name] = known[name]
        else:
            found[name] = free[missing % len(free)]
            missing += 1
    return found


def outcome_roles() -> dict[str, str]:
    return roles((kind.name for kind in KINDS), OUTCOMES)


def part_roles() -> dict[str, str]:
    """By the parts' names in words, in the order in which they are stacked; what no part accounts for is grey."""
    return {PARTS[column]: role for column, role in roles(PARTS, LATENCY_PARTS).items()} | {OTHER: "shade"}
