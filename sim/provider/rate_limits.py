"""The limits of one provider key: requests, tokens, input and output tokens, by the scenario's algorithm."""

from __future__ import annotations

from math import ceil
from typing import Any

from sim.kernel.containers import NOBODY
from sim.kernel.refusals import refusal
from sim.provider.rate_limiter import take, wait_s
from sim.scenario.units import Rate

LONGEST_WAIT_S = 1e9
REQUESTS, TOKENS = refusal("provider requests limit"), refusal("provider tokens limit")
INPUT_TOKENS, OUTPUT_TOKENS = refusal("provider input tokens limit"), refusal("provider output tokens limit")


def charge(p: Any, c: Any, provider: Any, now_s: float) -> bool:
    """True and the attempt charged to its key. False: ``c.plan_refused_by`` is the limit that refused, ``c.plan_retry_after_s`` the wait.

    An attempt that a later limit refuses has counted with those before.
    """
    if provider.requests_limit != NOBODY and not charge_one(p, c, provider.requests_limit + c.key, now_s, 1.0):
        c.plan_refused_by = REQUESTS
        return False
    if provider.tokens_limit != NOBODY:
        answer = c.answer_tokens if provider.reserve == NOBODY else provider.reserve
        if not charge_one(p, c, provider.tokens_limit + c.key, now_s, c.input_tokens + provider.output_weight * answer):
            c.plan_refused_by = TOKENS
            return False
    if provider.input_limit != NOBODY:
        tokens = c.input_tokens - c.plan_cached_tokens
        if not charge_one(p, c, provider.input_limit + c.key, now_s, float(tokens)):
            c.plan_refused_by = INPUT_TOKENS
            return False
    if provider.output_limit != NOBODY and not charge_one(p, c, provider.output_limit + c.key, now_s, float(c.answer_tokens)):
        c.plan_refused_by = OUTPUT_TOKENS
        return False
    return True


def charge_one(p: Any, c: Any, place: int, now_s: float, cost: float) -> bool:
    limit, ring = p.limits[place], p.rings[place]
    if take(limit, ring, now_s, cost):
        return True
    c.plan_retry_after_s = wait_s(limit, ring, now_s, cost)
    return False


def in_header(seconds: float, step_s: float) -> float:
    """``retry_after_s`` rounded up to the header's resolution (a microsecond's excess is rounding)."""
    return ceil(seconds / step_s - 1e-6) * step_s if seconds < LONGEST_WAIT_S else seconds


# ---- from the scenario


def in_windows(rate: Rate, window_s: float | None) -> Rate:
    """The part of a limit that holds in windows of ``window_s``; None: the limit as it is."""
    return rate if window_s is None else Rate(max(1.0, rate.rps * window_s), window_s)
