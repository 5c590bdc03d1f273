"""The limits of one provider key: requests, tokens, input and output tokens, by the scenario's algorithm."""

from __future__ import annotations

from math import ceil, isnan, nan
from typing import Any

from sim.kernel.containers import NOBODY
from sim.kernel.refusals import refusal
from sim.provider.rate_limiter import take, wait_s
from sim.scenario.units import Rate

LONGEST_WAIT_S = 1e9
REQUESTS, TOKENS = refusal("provider requests limit"), refusal("provider tokens limit")
INPUT_TOKENS, OUTPUT_TOKENS = refusal("provider input tokens limit"), refusal("provider output tokens limit")


def charge(p: Any, c: Any, provider: Any, now_s: float) -> float:
    """nan and the attempt charged to its key, or the seconds after which to come back; ``c.plan_refused_by`` says which limit refused.

    An attempt that a later limit refuses has counted with those before.
    """
    retry_after_s = nan
    if provider.requests_limit != NOBODY:
        retry_after_s = charge_one(p, provider.requests_limit + c.key, 1.0, now_s)
        if not isnan(retry_after_s):
            c.plan_refused_by = REQUESTS
            return retry_after_s
    if provider.tokens_limit != NOBODY:
        answer = c.answer_tokens if provider.reserve == NOBODY else provider.reserve
        retry_after_s = charge_one(p, provider.tokens_limit + c.key, float(c.input_tokens + answer), now_s)
        if not isnan(retry_after_s):
            c.plan_refused_by = TOKENS
            return retry_after_s
    if provider.input_limit != NOBODY:
        retry_after_s = charge_one(p, provider.input_limit + c.key, float(c.input_tokens - c.plan_cached_tokens), now_s)
        if not isnan(retry_after_s):
            c.plan_refused_by = INPUT_TOKENS
            return retry_after_s
    if provider.output_limit != NOBODY:
        retry_after_s = charge_one(p, provider.output_limit + c.key, float(c.answer_tokens), now_s)
        if not isnan(retry_after_s):
            c.plan_refused_by = OUTPUT_TOKENS
    return retry_after_s


def charge_one(p: Any, place: int, cost: float, now_s: float) -> float:
    limit, ring = p.limits[place], p.rings[place]
    return nan if take(limit, ring, now_s, cost) else wait_s(limit, ring, now_s, cost)


def in_header(seconds: float, step_s: float) -> float:
    """``retry_after_s`` rounded up to the header's resolution (a microsecond's excess is rounding)."""
    return ceil(seconds / step_s - 1e-6) * step_s if seconds < LONGEST_WAIT_S else seconds


# ---- from the scenario


def in_windows(rate: Rate, window_s: float | None) -> Rate:
    """The part of a limit that holds in windows of ``window_s``; None: the limit as it is."""
    return rate if window_s is None else Rate(max(1.0, rate.rps * window_s), window_s)
