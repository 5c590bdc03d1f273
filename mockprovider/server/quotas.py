"""What is left of a key's limits, as the rate-limit headers of an answer tell it."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from mockprovider.dialects.base import Quota
from sim.policy.limiter import SlidingLog, TokenBucket, Window
from sim.provider.rate_limits import KeyLimits


@singledispatch
def quota(limiter: Any, now_s: float) -> Quota | None:
    """How a limiter stands at ``now_s``; None for no limiter."""
    return None


@quota.register
def _(bucket: TokenBucket, now_s: float) -> Quota:
    level = min(bucket.burst, bucket.level + (now_s - bucket.at_s) * bucket.rate)
    return Quota(bucket.burst, level, (bucket.burst - level) / bucket.rate if bucket.rate > 0 else 0.0)


@quota.register
def _(window: Window, now_s: float) -> Quota:
    if now_s >= window.start_s + window.window_s:
        return Quota(window.count, window.count, 0.0)
    return Quota(window.count, window.count - window.used, window.start_s + window.window_s - now_s)


@quota.register
def _(log: SlidingLog, now_s: float) -> Quota:
    recent = [at_s for at_s in log.ring if at_s > now_s - log.window_s]
    reset_s = max(recent) + log.window_s - now_s if recent else 0.0
    return Quota(len(log.ring), len(log.ring) - len(recent), reset_s)


def quotas(limits: KeyLimits | None, now_s: float) -> tuple[Quota | None, Quota | None, Quota | None, Quota | None]:
    """(requests, tokens, input tokens, output tokens) of one key."""
    if limits is None:
        return None, None, None, None
    return quota(limits.requests, now_s), quota(limits.tokens, now_s), quota(limits.input_tokens, now_s), quota(limits.output_tokens, now_s)
