"""``sim.provider.behaviour`` compiled: what happens to one attempt, and its row when it has ended."""

from __future__ import annotations

import math
from typing import Any

from sim.compiled.ahead import times
from sim.compiled.kernel import child, inlined, uniform
from sim.compiled.laws import draw
from sim.compiled.limits import take, wait_s
from sim.compiled.settings import BROWNOUT, HANG, NONE, OUTAGE, RATE_LIMIT, REFUSED_MODE
from sim.data.schema import REFUSED
from sim.provider.behaviour import DEFAULT_ERROR_AFTER_S, produced_tokens, told_s

NAN = math.nan
INFINITY = math.inf


@inlined
def begin(e: Any, slot: int) -> None:
    """Plan the attempt of the life in ``slot`` at its target, as ``ProviderState.begin`` does."""
    life = e.lives[slot]
    target = e.targets[life.target]
    provider = e.providers[target.provider]
    prompt = e.rows[life.request].prompt
    occurrence = e.visits[life.target, prompt]
    e.visits[life.target, prompt] = occurrence + 1
    life.occurrence = occurrence
    provider.in_service += 1
    life.plan_output_tokens = life.output_tokens
    life.plan_status = 200
    life.plan_first_token_s = life.plan_per_token_s = life.plan_duration_s = 0.0
    life.plan_retry_after_s = NAN
    ttft_factor = per_token_factor = 1.0
    if e.has_failures:
        failed, ttft_factor, per_token_factor = hindered(e, slot)
        if failed:
            return
    first_token_s, per_token_s = times(e, life.target, prompt, occurrence)
    life.plan_first_token_s = first_token_s * ttft_factor
    life.plan_per_token_s = per_token_s * per_token_factor
    life.plan_duration_s = life.plan_first_token_s + (life.plan_output_tokens - 1) * life.plan_per_token_s


@inlined
def hindered(e: Any, slot: int) -> tuple[bool, float, float]:
    """True if a fault, a limit or an error ends the attempt; if none does, by how much faults slow it down."""
    life = e.lives[slot]
    target = e.targets[life.target]
    provider = e.providers[target.provider]
    now_s, prompt, occurrence = life.started_s, e.rows[life.request].prompt, life.occurrence
    ttft_factor = per_token_factor = 1.0
    for number in range(len(e.faults)):
        fault = e.faults[number]
        if fault.provider != target.provider or not (fault.target == NONE or fault.target == life.target):
            continue
        if not (fault.at_s <= now_s and now_s < fault.until_s):
            continue
        if fault.kind == BROWNOUT:
            ttft_factor *= fault.ttft_factor
            per_token_factor *= fault.per_token_factor
        elif fault.share >= 1.0 or uniform3(e.world[0].fault_root, fault.number, prompt, occurrence) < fault.share:
            strike(e, slot, fault)
            return True, 1.0, 1.0
    tokens = e.rows[life.request].input_tokens + life.output_tokens
    if not take(e, provider.limit_requests, life.key, now_s, 1.0):
        refuse(e, slot, 429, told_s(wait_s(e, provider.limit_requests, life.key, now_s, 1.0), provider.retry_after_step_s))
        return True, 1.0, 1.0
    if not take(e, provider.limit_tokens, life.key, now_s, tokens):
        refuse(e, slot, 429, told_s(wait_s(e, provider.limit_tokens, life.key, now_s, tokens), provider.retry_after_step_s))
        return True, 1.0, 1.0
    if provider.in_service > provider.concurrency:
        refuse(e, slot, 429, NAN)
        return True, 1.0, 1.0
    if provider.error_rate > 0.0 and uniform(target.error_root, prompt, occurrence) < provider.error_rate:
        refuse(e, slot, provider.error_status, NAN)
        return True, 1.0, 1.0
    return False, ttft_factor, per_token_factor


@inlined
def uniform3(root: Any, number: int, prompt: int, occurrence: int) -> float:
    from_fault = child(root, number)
    return uniform(from_fault, prompt, occurrence)


@inlined
def strike(e: Any, slot: int, fault: Any) -> None:
    life = e.lives[slot]
    if fault.kind == OUTAGE and fault.mode == HANG:
        life.plan_output_tokens = 0
        life.plan_first_token_s = life.plan_duration_s = INFINITY
    elif fault.kind == OUTAGE and fault.mode == REFUSED_MODE:
        life.plan_status = REFUSED
        life.plan_output_tokens = 0
    else:
        refuse(e, slot, 429 if fault.kind == RATE_LIMIT else fault.status, NAN)


@inlined
def refuse(e: Any, slot: int, status: int, retry_after_s: float) -> None:
    life = e.lives[slot]
    target = e.targets[life.target]
    law = e.providers[target.provider].error_after
    life.plan_status = status
    life.plan_output_tokens = 0
    life.plan_retry_after_s = retry_after_s
    after_s = DEFAULT_ERROR_AFTER_S
    if law != NONE:
        after_s = draw(e.laws, e.law_numbers, law, uniform(target.error_after_root, e.rows[life.request].prompt, life.occurrence))
    life.plan_first_token_s = life.plan_duration_s = after_s


@inlined
def end_attempt(e: Any, slot: int, status: int) -> tuple[float, int]:
    """Write the attempt's row. Returns (first token after s, or nan; tokens produced)."""
    w, life = e.world[0], e.lives[slot]
    target, row = e.targets[life.target], e.rows[life.request]
    e.providers[target.provider].in_service -= 1
    planned = life.plan_status if e.has_failures or e.has_departures else 200
    content = planned == 200 and life.plan_first_token_s <= life.ends_s
    first_token_s = life.plan_first_token_s if content else NAN
    produced = billed = 0
    if planned == 200:
        produced = produced_tokens(
            life.ends_s, life.plan_first_token_s, life.plan_per_token_s, life.plan_duration_s, life.plan_output_tokens
        )
        if life.plan_duration_s != INFINITY:
            billed = row.input_tokens
    cost_usd = billed * target.input_usd + produced * target.output_usd
    row.cost_usd += cost_usd
    attempt = e.attempts[w.attempts]
    w.attempts += 1
    attempt.request = life.request
    attempt.replication = w.replication
    attempt.attempt = row.attempts - 1
    attempt.target = life.target
    attempt.key = life.key
    attempt.prompt = row.prompt
    attempt.occurrence = life.occurrence
    attempt.started_s = life.started_s
    attempt.first_token_s = first_token_s
    attempt.duration_s = life.ends_s
    attempt.status = status
    attempt.input_tokens = billed
    attempt.output_tokens = produced
    attempt.cost_usd = cost_usd
    return first_token_s, produced
