"""Exact cache: identical prompts within a time to live, or within it of the last hit; least recently used goes first when it is full."""

from __future__ import annotations

from sim.policy.admission import Ticket
from sim.scenario.model import ExactCache

MISS, STALE, FRESH = 0, 1, 2


class CacheState:
    """``expires_s`` by key, least recently used first; ``flights`` are prompts being asked now, with those who wait for the answer."""

    __slots__ = ("capacity", "expires_s", "flights", "single_flight", "sliding", "ttl_s")

    def __init__(self, config: ExactCache) -> None:
        self.ttl_s = config.ttl
        self.sliding = config.sliding
        self.capacity = config.capacity
        self.single_flight = config.single_flight
        self.expires_s: dict[int, float] = {}
        self.flights: dict[int, list[Ticket]] = {}

    def __repr__(self) -> str:
        return f"<Cache {len(self.expires_s)} of {self.capacity}, {len(self.flights)} in flight>"


def look_up(cache: CacheState, key: int, now_s: float) -> int:
    """FRESH, STALE (kept past its time) or MISS. A fresh entry becomes the most recently used, and lives on where the time slides."""
    expires_s = cache.expires_s.get(key)
    if expires_s is None:
        return MISS
    if not is_fresh(expires_s, now_s):
        return STALE
    del cache.expires_s[key]
    cache.expires_s[key] = expires_after_hit(expires_s, now_s, cache.ttl_s, cache.sliding)
    return FRESH


def is_fresh(expires_s: float, now_s: float) -> bool:
    return now_s < expires_s


def expires_after_hit(expires_s: float, now_s: float, ttl_s: float, sliding: bool) -> float:
    return now_s + ttl_s if sliding else expires_s


def store(cache: CacheState, key: int, now_s: float) -> int | None:
    """Keep an answer from now on; its time to live starts now. Returns the key that had to go, if any."""
    cache.expires_s.pop(key, None)
    cache.expires_s[key] = now_s + cache.ttl_s
    if len(cache.expires_s) <= cache.capacity:
        return None
    oldest = next(iter(cache.expires_s))
    del cache.expires_s[oldest]
    return oldest
