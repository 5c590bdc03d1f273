"""What is left of a key's limits, as the rate-limit headers of an answer tell it."""

from __future__ import annotations

from typing import Any

from mockprovider.dialects.base import Quota
from sim.provider.rate_limiter import left


def quotas(limits: list[tuple[Any, Any] | None], now_s: float) -> list[Quota | None]:
    """How each limit of one key, given with its ring, stands at ``now_s``; None for no limit."""
    return [None if entry is None else quota(*entry, now_s) for entry in limits]


def quota(limit: Any, ring: Any, now_s: float) -> Quota:
    """A sliding log counts whole requests, as many as its ring has places; the other algorithms have no ring."""
    return Quota(len(ring) or limit.count, *left(limit, ring, now_s))
