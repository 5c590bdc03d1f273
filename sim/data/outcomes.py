"""How a request can end: one line for each outcome. Codes are part of the result format: a new outcome takes a free one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class OutcomeKind(NamedTuple):
    """``available``: the client has a fresh answer. ``served``: it has some answer, perhaps a stale or a canned one."""

    code: int
    name: str
    available: bool
    served: bool
    meaning: str


FAILURES = 10
"""Codes from here on are failures, below it answers."""

OK, CACHE_HIT, STALE, CANNED = 0, 1, 2, 3
REJECTED, RATE_LIMITED, TIMEOUT, ERROR, ABANDONED = 10, 11, 12, 13, 14

KINDS = (
    OutcomeKind(OK, "ok", True, True, "answered by a provider"),
    OutcomeKind(CACHE_HIT, "cache_hit", True, True, "answered from a cache, within the entry's lifetime"),
    OutcomeKind(STALE, "stale", False, True, "degraded: an earlier answer, because no provider gave one"),
    OutcomeKind(CANNED, "canned", False, True, "degraded: a prepared text, because no provider answered"),
    OutcomeKind(REJECTED, "rejected", False, False, "no room at the gateway: queue full, or waited for longer than its timeout"),
    OutcomeKind(RATE_LIMITED, "rate_limited", False, False, "beyond a limit of the gateway"),
    OutcomeKind(TIMEOUT, "timeout", False, False, "the gateway's total timeout, or an attempt's for its first token"),
    OutcomeKind(ERROR, "error", False, False, "no provider could answer"),
    OutcomeKind(ABANDONED, "abandoned", False, False, "the client left"),
)
NAMES: dict[int, str] = {kind.code: kind.name for kind in KINDS}
BY_NAME: dict[str, OutcomeKind] = {kind.name: kind for kind in KINDS}
AVAILABLE = tuple(kind.code for kind in KINDS if kind.available)
SERVED = tuple(kind.code for kind in KINDS if kind.served)


def name_of(code: int) -> str:
    """Also of a code that a later version has written."""
    return NAMES.get(code, f"outcome {code}")


def is_available(outcomes: np.ndarray) -> np.ndarray:
    """Mask: the client has a fresh answer."""
    return np.isin(outcomes, AVAILABLE)


def is_served(outcomes: np.ndarray) -> np.ndarray:
    """Mask: the client has an answer, perhaps a stale or a canned one."""
    return np.isin(outcomes, SERVED)


def count_by_name(outcomes: np.ndarray) -> dict[str, int]:
    """How many requests ended in each way; every outcome is there, in the order of KINDS."""
    counts = dict.fromkeys(NAMES.values(), 0)
    for code, count in zip(*(each.tolist() for each in np.unique(outcomes, return_counts=True)), strict=True):
        counts[name_of(code)] = count
    return counts
