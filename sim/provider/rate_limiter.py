"""Rate limiters: is there room for ``cost`` more now, and if not, how long until there is?

Every limiter allows ``count`` per ``window_s``. The token bucket (GCRA) refills steadily and holds one window's worth; the sliding log
looks back exactly one window; the fixed window resets by the calendar (whole multiples of the window since time zero); the anchored
window starts at the first request after the last window ended, and counts refused requests too (LiteLLM's key limits).
"""

from __future__ import annotations

from math import inf
from typing import Any

from sim.kernel.state import state
from sim.scenario.units import Rate

ALGORITHMS = ("token-bucket", "sliding-log", "fixed-window", "anchored-window")
TOKEN_BUCKET, SLIDING_LOG, FIXED_WINDOW, ANCHORED_WINDOW = range(4)


@state
class Limit:
    """A limiter of one holder (a key, a user). A sliding log has a ring beside it (``ring_of``)."""

    algorithm: int = TOKEN_BUCKET
    count: float = 0.0  # per window; of a bucket also the burst
    window_s: float = 1.0
    rate: float = 0.0  # count / window_s
    level: float = 0.0  # of a bucket: what is left at ``at_s``; of a window: what it has been charged
    at_s: float = 0.0  # of a window: its start
    place: int = 0  # of a sliding log: the oldest entry of its ring


def limit_of(rate: Rate, algorithm: str) -> Limit:
    """A limiter that nobody has used yet."""
    code = ALGORITHMS.index(algorithm)
    bucket = code == TOKEN_BUCKET
    return Limit(code, rate.count, rate.per_s, rate.rps, rate.count if bucket else 0.0, 0.0 if bucket else -inf)


def ring_of(rate: Rate, algorithm: str) -> list[float]:
    """Times of the last ``count`` accepted requests of a sliding log; nothing for the other algorithms."""
    return [-inf] * max(1, int(rate.count)) if algorithm == "sliding-log" else []


def take(limit: Any, ring: Any, now_s: float, cost: float) -> bool:
    """True and ``cost`` charged, or False and (but for an anchored window) nothing charged.

    A cost beyond a bucket's burst passes on a full bucket and leaves it in debt.
    """
    if limit.algorithm == TOKEN_BUCKET:
        level = limit.level + (now_s - limit.at_s) * limit.rate
        limit.at_s = now_s
        if level > limit.count:
            level = limit.count
        if level < cost and level < limit.count:
            limit.level = level
            return False
        limit.level = level - cost
        return True
    if limit.algorithm == SLIDING_LOG:
        return take_from_log(limit, ring, now_s)
    if limit.algorithm == FIXED_WINDOW:
        return take_from_fixed_window(limit, now_s, cost)
    return take_from_anchored_window(limit, now_s, cost)


def take_from_log(log: Any, ring: Any, now_s: float) -> bool:
    """One request, whatever it costs: True if fewer than ``count`` were accepted in the window that ends now."""
    if ring[log.place] > now_s - log.window_s:
        return False
    ring[log.place] = now_s
    log.place += 1
    if log.place >= int(log.count):
        log.place = 0
    return True


def take_from_fixed_window(window: Any, now_s: float, cost: float) -> bool:
    start_s = now_s // window.window_s * window.window_s
    if start_s > window.at_s:
        window.at_s = start_s
        window.level = 0.0
    if window.level + min(cost, window.count) > window.count:
        return False
    window.level += cost
    return True


def take_from_anchored_window(window: Any, now_s: float, cost: float) -> bool:
    if now_s >= window.at_s + window.window_s:
        window.at_s = now_s
        window.level = 0.0
    window.level += cost
    return bool(window.level <= window.count or window.level == cost)


def wait_s(limit: Any, ring: Any, now_s: float, cost: float) -> float:
    """Seconds until ``take`` would succeed if nobody else took."""
    if limit.algorithm == TOKEN_BUCKET:
        level = min(limit.count, limit.level + (now_s - limit.at_s) * limit.rate)
        return max(0.0, (min(cost, limit.count) - level) / limit.rate)
    if limit.algorithm == SLIDING_LOG:
        return max(0.0, ring[limit.place] + limit.window_s - now_s)
    return max(0.0, limit.at_s + limit.window_s - now_s)


def give_back(limit: Any, now_s: float, cost: float) -> None:
    """Return what was charged too much; a negative ``cost`` charges more.

    A window that is over keeps its charge, and a sliding log counts requests, not costs. A bucket may run into debt.
    """
    if limit.algorithm == TOKEN_BUCKET:
        level = min(limit.count, limit.level + (now_s - limit.at_s) * limit.rate)
        limit.level = min(limit.count, level + cost)
        limit.at_s = now_s
    elif limit.algorithm != SLIDING_LOG and now_s < limit.at_s + limit.window_s:
        limit.level = max(0.0, limit.level - cost)


def left(limit: Any, ring: Any, now_s: float) -> tuple[float, float]:
    """(what may still be taken, seconds until all of it is there again): what rate-limit headers say."""
    if limit.algorithm == TOKEN_BUCKET:
        level = min(limit.count, limit.level + (now_s - limit.at_s) * limit.rate)
        return level, (limit.count - level) / limit.rate
    if limit.algorithm == SLIDING_LOG:
        recent, newest_s = 0, -inf
        for at_s in ring:
            if at_s > now_s - limit.window_s:
                recent += 1
                newest_s = max(newest_s, at_s)
        return len(ring) - recent, newest_s + limit.window_s - now_s if recent else 0.0
    if now_s >= limit.at_s + limit.window_s:
        return limit.count, 0.0
    return limit.count - limit.level, limit.at_s + limit.window_s - now_s
