"""``sim.flow.ask`` and ``attempt`` compiled: targets, pauses, attempts and what their results say."""

from __future__ import annotations

import math
from typing import Any

from sim.compiled.codes import ANSWERED, BACKED_OFF, DONE, FAILED, NEXT, OK, TIMEOUT, TRY, WAITS
from sim.compiled.heap import sleep
from sim.compiled.kernel import inlined, uniform
from sim.compiled.lists import NOBODY
from sim.compiled.providers import begin, end_attempt
from sim.compiled.routing import allowed, breaker_of, itinerary, record_result
from sim.compiled.stages import too_late
from sim.data.schema import TIMED_OUT
from sim.policy.breaker import permits_call, release
from sim.policy.retry import backoff_s, deposit, deserves_retry, withdraw
from sim.policy.router import observe_latency


@inlined
def ask(e: Any, slot: int) -> int:
    w, life = e.world[0], e.lives[slot]
    if too_late(e, slot):
        life.outcome = TIMEOUT
        return DONE
    if e.has_budget:
        deposit(w.budget)
    life.outcome = FAILED
    life.previous = NOBODY
    life.given_up = 0
    life.retry = 0
    life.pause_s = 0.0
    life.retry_after_s = math.nan
    itinerary(e, slot)
    life.place = -1
    return NEXT


@inlined
def next_target(e: Any, slot: int) -> int:
    """The next target of the itinerary that is worth an attempt, after a pause if it is a retry."""
    w, life = e.world[0], e.lives[slot]
    if not e.has_failures:
        life.target = e.itineraries[slot, 0]
        return TRY
    while True:
        life.place += 1
        turns = w.attempts_each if w.retry_next and life.targets > 0 else w.attempts_each * life.targets
        if life.place >= turns:
            return DONE
        life.target = e.itineraries[slot, life.place % life.targets if w.retry_next else life.place // w.attempts_each]
        this = 1 << life.target
        if life.given_up & this or (e.has_breakers and not permits_call(breaker_of(e, life.target), w.now_s)):
            continue
        if life.previous == NOBODY or not (life.target == life.previous or w.retry_next):
            return TRY
        if e.has_budget and not withdraw(w.budget):
            life.given_up |= this
            continue
        life.pause_s = backoff_s(w.backoff, life.retry, life.pause_s, uniform(w.jitter_root, life.request, life.retry))
        if not math.isnan(life.retry_after_s) and life.target == life.previous and w.honor_retry_after:
            life.pause_s = max(life.pause_s, life.retry_after_s)
        if w.now_s + life.pause_s >= life.deadline_s:
            life.given_up |= this
            continue
        life.retry += 1
        life.stage = BACKED_OFF
        sleep(e, slot, life.pause_s)
        return WAITS


@inlined
def attempt(e: Any, slot: int) -> int:
    """Start one call to one target, unless its breaker refuses; ``answered`` ends it."""
    w, life = e.world[0], e.lives[slot]
    if e.has_breakers and not allowed(e, life.target):
        return NEXT
    target = e.targets[life.target]
    life.key = target.next_key
    target.next_key = target.next_key + 1 if target.next_key + 1 < target.keys else 0
    life.started_s = w.now_s
    target.in_flight += 1
    row = e.rows[life.request]
    row.attempts += 1
    row.target = life.target
    begin(e, slot)
    life.status, life.ends_s = life.plan_status, life.plan_duration_s
    if e.has_failures:
        if life.plan_first_token_s > w.first_token_timeout_s:
            life.status, life.ends_s = TIMED_OUT, w.first_token_timeout_s
        if life.started_s + life.ends_s > life.deadline_s:
            life.status, life.ends_s = TIMED_OUT, life.deadline_s - life.started_s
    life.stage = ANSWERED
    sleep(e, slot, life.ends_s)
    return WAITS


@inlined
def answered(e: Any, slot: int) -> int:
    w, life = e.world[0], e.lives[slot]
    target, row = e.targets[life.target], e.rows[life.request]
    status = life.status if e.has_failures else 200
    first_token_s, produced = end_attempt(e, slot, status)
    committed = w.streams and not math.isnan(first_token_s)
    target.in_flight -= 1
    if status == 200:
        row.first_token_s = first_token_s
        row.generation_s = life.ends_s - first_token_s
        row.output_tokens = produced
        observe_latency(target, life.ends_s)
    else:
        row.failed_s += life.ends_s
    if committed:
        life.committed = True
        row.ttft_s = life.started_s + first_token_s
    elif status == 200:
        row.ttft_s = w.now_s
    if e.has_breakers:
        if status == 200 or status >= 500 or status <= 0:
            record_result(e, life.target, status != 200, life.ends_s)
        else:
            release(breaker_of(e, life.target))
    if status == 200:
        life.outcome = OK
        return DONE
    life.outcome = TIMEOUT if status == TIMED_OUT else FAILED
    if committed or w.now_s >= life.deadline_s:
        return DONE
    if not deserves_retry(status):
        if not w.next_provider:
            return DONE
        life.given_up |= 1 << life.target
    life.previous = life.target
    life.retry_after_s = life.plan_retry_after_s
    return NEXT
