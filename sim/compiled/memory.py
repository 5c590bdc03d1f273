"""What the gateway remembers, over arrays: the policies' sessions and exact cache, whose containers are dicts elsewhere."""

from __future__ import annotations

from typing import Any

from sim.compiled.kernel import inlined
from sim.compiled.lists import NOBODY, drop_oldest, touch
from sim.policy.cache import FRESH, MISS, STALE, expires_after_hit, is_fresh
from sim.policy.session import remembered_from


@inlined
def resume(e: Any, conversation: int, turn: int) -> int:
    """``sim.policy.session.resume`` over arrays."""
    w = e.world[0]
    first_turn = 0
    if touch(e.session_before, e.session_after, conversation):
        w.sessions += 1
    else:
        first_turn = remembered_from(e.session_first[conversation], turn, w.now_s - e.session_seen_s[conversation], w.session_ttl_s)
    e.session_seen_s[conversation] = w.now_s
    e.session_first[conversation] = first_turn
    if w.sessions > w.session_capacity:
        drop_oldest(e.session_before, e.session_after)
        w.sessions -= 1
    return first_turn


@inlined
def look_up(e: Any, key: int) -> int:
    """``sim.policy.cache.look_up`` over arrays."""
    w = e.world[0]
    if e.cache_after[key] == NOBODY:
        return MISS
    if not is_fresh(e.cache_expires_s[key], w.now_s):
        return STALE
    touch(e.cache_before, e.cache_after, key)
    e.cache_expires_s[key] = expires_after_hit(e.cache_expires_s[key], w.now_s, w.cache_ttl_s, w.sliding)
    return FRESH


@inlined
def store(e: Any, key: int) -> None:
    """``sim.policy.cache.store`` over arrays."""
    w = e.world[0]
    e.cache_expires_s[key] = w.now_s + w.cache_ttl_s
    w.cached += touch(e.cache_before, e.cache_after, key)
    if w.cached > w.cache_capacity:
        drop_oldest(e.cache_before, e.cache_after)
        w.cached -= 1
