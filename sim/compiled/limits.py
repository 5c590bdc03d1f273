"""Rate limits by number: which algorithm, whose state."""

from __future__ import annotations

from typing import Any

from sim.compiled.kernel import inlined
from sim.compiled.ringed import ringed
from sim.compiled.settings import FIXED_WINDOW, NONE, SLIDING_LOG, TOKEN_BUCKET
from sim.policy.limiter import (
    take_from_anchored_window,
    take_from_bucket,
    take_from_fixed_window,
    take_from_log,
    wait_for_bucket,
    wait_for_log,
    wait_for_window,
)


@inlined
def log_of(e: Any, log: Any) -> Any:
    return ringed(log, e.log_times[log.start : log.start + log.size])


@inlined
def take(e: Any, number: int, who: int, now_s: float, cost: float) -> bool:
    """May ``who`` spend ``cost`` of limit ``number`` now? True without such a limit."""
    if number == NONE:
        return True
    limit = e.limits[number]
    place = limit.first + who
    if limit.algorithm == TOKEN_BUCKET:
        return take_from_bucket(e.buckets[place], now_s, cost)
    if limit.algorithm == FIXED_WINDOW:
        return take_from_fixed_window(e.windows[place], now_s, cost)
    if limit.algorithm == SLIDING_LOG:
        return take_from_log(log_of(e, e.logs[place]), now_s, cost)
    return take_from_anchored_window(e.windows[place], now_s, cost)


@inlined
def wait_s(e: Any, number: int, who: int, now_s: float, cost: float) -> float:
    """Seconds until there would be room again."""
    limit = e.limits[number]
    place = limit.first + who
    if limit.algorithm == TOKEN_BUCKET:
        return wait_for_bucket(e.buckets[place], now_s, cost)
    if limit.algorithm == SLIDING_LOG:
        return wait_for_log(log_of(e, e.logs[place]), now_s, cost)
    return wait_for_window(e.windows[place], now_s, cost)


@inlined
def admits(e: Any, user: int, now_s: float, tokens: float) -> bool:
    """The gateway's limits, as ``sim.gateway.assembled.Limiter`` takes them: the user's, then everybody's; requests, then tokens."""
    w = e.world[0]
    if not (take(e, w.user_requests, user, now_s, 1.0) and take(e, w.user_tokens, user, now_s, tokens)):
        w.refused_user += 1
        return False
    if not (take(e, w.all_requests, 0, now_s, 1.0) and take(e, w.all_tokens, 0, now_s, tokens)):
        w.refused_all += 1
        return False
    return True
