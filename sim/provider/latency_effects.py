"""Deterministic effects on latency: prompt length, load, cold start."""

from __future__ import annotations

from typing import Any

from sim.provider.draws import cold_delay_s
from sim.provider.fault_timeline import changes_until


def enter(p: Any, c: Any, model: Any, now_s: float) -> None:
    """An attempt comes into service; after an idle time it begins a cold start, for which those that come meanwhile wait too. Where the
    model is kept warm at that time, its cold start has begun with that.
    """
    if model.in_service == 0 and now_s - model.idle_since_s > model.idle_s and now_s >= model.ready_s:
        model.ready_s = warmed_s(p, model, now_s) + cold_delay_s(p, c.target, c.prompt, c.occurrence)
    model.in_service += 1


def warmed_s(p: Any, model: Any, now_s: float) -> float:
    """Since when the model has been kept warm; now, if it is not."""
    count = 0 if model.changes == 0 else changes_until(p, model, now_s)
    return float(p.changes[model.first_change + count - 1]) if count % 2 == 1 else now_s


def leave(model: Any, now_s: float) -> None:
    model.in_service -= 1
    model.idle_since_s = now_s


def first_token_s(c: Any, model: Any, now_s: float, first_s: float) -> float:
    """The time to the first token, after prompt length and a cold start."""
    cached = c.plan_cached_tokens
    first_s += (c.input_tokens - cached) * model.per_input_token_s + cached * model.per_cached_token_s
    if model.ready_s > now_s:
        first_s += model.ready_s - now_s
    return first_s


def per_token_factor(model: Any) -> float:
    """What load makes of the time per token: the load as it is on arrival, the attempt itself not counted."""
    return float(1.0 + (model.in_service - 1) / model.doubles_at)
