"""Rate limiters: is there room for ``cost`` more now, and if not, how long until there is?

Every limiter allows ``rate.count`` per ``rate.per_s``. The token bucket (GCRA) refills steadily and holds one window's worth;
the sliding log looks back exactly one window; the fixed window resets by the calendar (whole multiples of the window since
time zero); the anchored window starts at the first request after the last window ended, and counts refused requests too
(LiteLLM's key limits).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.scenario.units import Rate

INFINITY = float("inf")


class TokenBucket:
    """``level`` tokens at time ``at_s``; refills at ``rate`` per second up to ``burst``."""

    __slots__ = ("at_s", "burst", "level", "rate")

    def __init__(self, limit: Rate) -> None:
        self.rate = limit.rps
        self.burst = limit.count
        self.level = limit.count
        self.at_s = 0.0

    def __repr__(self) -> str:
        return f"<TokenBucket {self.level:g} of {self.burst:g} at {self.at_s:g} s, {self.rate:g}/s>"


def take_from_bucket(bucket: TokenBucket, now_s: float, cost: float) -> bool:
    """True and ``cost`` spent, or False and nothing spent. A cost beyond the burst passes on a full bucket and leaves it in debt."""
    level = bucket.level + (now_s - bucket.at_s) * bucket.rate
    if level > bucket.burst:
        level = bucket.burst
    bucket.at_s = now_s
    if level < cost and level < bucket.burst:
        bucket.level = level
        return False
    bucket.level = level - cost
    return True


def wait_for_bucket(bucket: TokenBucket, now_s: float, cost: float) -> float:
    """Seconds until ``take_from_bucket`` would succeed if nobody else took."""
    level = min(bucket.burst, bucket.level + (now_s - bucket.at_s) * bucket.rate)
    short = min(cost, bucket.burst) - level
    return max(0.0, short / bucket.rate) if bucket.rate > 0 else INFINITY


class SlidingLog:
    """Times of the last ``count`` accepted requests, a ring; ``oldest`` is the slot to be reused next."""

    __slots__ = ("oldest", "ring", "window_s")

    def __init__(self, limit: Rate) -> None:
        self.window_s = limit.per_s
        self.ring = [-INFINITY] * max(1, int(limit.count))
        self.oldest = 0


def take_from_log(log: SlidingLog, now_s: float, cost: float) -> bool:
    """One request (``cost`` is not weighed): True if fewer than ``count`` were accepted in the window that ends now."""
    if log.ring[log.oldest] > now_s - log.window_s:
        return False
    log.ring[log.oldest] = now_s
    log.oldest += 1
    if log.oldest == len(log.ring):
        log.oldest = 0
    return True


def wait_for_log(log: SlidingLog, now_s: float, cost: float) -> float:
    return max(0.0, log.ring[log.oldest] + log.window_s - now_s)


class Window:
    """``used`` of ``count`` since ``start_s``."""

    __slots__ = ("count", "start_s", "used", "window_s")

    def __init__(self, limit: Rate) -> None:
        self.count = limit.count
        self.window_s = limit.per_s
        self.start_s = -INFINITY
        self.used = 0.0


def take_from_fixed_window(window: Window, now_s: float, cost: float) -> bool:
    start_s = now_s // window.window_s * window.window_s
    if start_s > window.start_s:
        window.start_s = start_s
        window.used = 0.0
    if window.used + min(cost, window.count) > window.count:
        return False
    window.used += cost
    return True


def take_from_anchored_window(window: Window, now_s: float, cost: float) -> bool:
    if now_s >= window.start_s + window.window_s:
        window.start_s = now_s
        window.used = 0.0
    window.used += cost
    return window.used <= window.count or window.used == cost


def wait_for_window(window: Window, now_s: float, cost: float) -> float:
    return max(0.0, window.start_s + window.window_s - now_s)


# algorithm -> state, take(state, now_s, cost) -> bool, wait(state, now_s, cost) -> seconds
ALGORITHMS: dict[str, tuple[Callable[[Rate], Any], Callable[[Any, float, float], bool], Callable[[Any, float, float], float]]] = {
    "token-bucket": (TokenBucket, take_from_bucket, wait_for_bucket),
    "sliding-log": (SlidingLog, take_from_log, wait_for_log),
    "fixed-window": (Window, take_from_fixed_window, wait_for_window),
    "anchored-window": (Window, take_from_anchored_window, wait_for_window),
}
