"""``sim.flow`` compiled, stage by stage. A stage does what is to be done now, and returns the next one, or WAITS.

Read it beside the flow: the functions stand in the same order and bear its names. What the flow does in ``finally`` blocks is in
``give_back``.
"""

from __future__ import annotations

import math
from typing import Any

from sim.compiled.codes import (
    ABANDONED,
    ANSWERED,
    ASK,
    CACHE_HIT,
    DONE,
    FAILED,
    FALLBACK,
    FLIGHT_OVER,
    LOOK_UP,
    OK,
    QUEUE,
    RATE_LIMITED,
    RECALL,
    RECALLED,
    REJECTED,
    TIMEOUT,
    TURN,
    WAITS,
    WORKED,
)
from sim.compiled.foresight import foresee_arrivals
from sim.compiled.heap import park, sleep, wake
from sim.compiled.kernel import inlined
from sim.compiled.limits import admits
from sim.compiled.lists import NOBODY, join, quit_list
from sim.compiled.memory import look_up, resume, store
from sim.compiled.providers import end_attempt
from sim.compiled.routing import breaker_of
from sim.compiled.system import enter_system, leave_system
from sim.data.schema import CANCELLED
from sim.policy.admission import IN_SERVICE, NO_ROOM, change_waiting, pass_on, take_place
from sim.policy.breaker import release
from sim.policy.cache import FRESH, MISS
from sim.policy.context import context_tokens


@inlined
def arrive(e: Any, request: int) -> tuple[int, int]:
    """A client sends the request now. Returns the slot of its life and what it does next, unless a rate limit has ended it at once."""
    w, row = e.world[0], e.rows[request]
    foresee_arrivals(e, request)
    now_s = w.now_s
    enter_system(e)
    e.inside_s[request] = now_s
    row.request = request
    row.replication = w.replication
    row.arrival_s = e.arrival_s[request]
    row.kind = e.kind[request]
    row.user = e.user[request]
    row.conversation = e.conversation[request]
    row.turn = e.turn[request]
    row.prompt = e.prompt[request]
    row.outcome = ABANDONED
    row.ttft_s = row.first_token_s = row.generation_s = math.nan
    row.latency_s = row.queue_wait_s = row.coalesced_s = row.cpu_s = row.failed_s = row.backoff_s = row.cost_usd = 0.0
    row.attempts = row.input_tokens = row.output_tokens = 0
    row.target = -1
    if e.has_limits and not admits(e, row.user, now_s, e.input_tokens[request] + e.output_tokens[request]):
        row.outcome = RATE_LIMITED
        leave_system(e, request)
        return NOBODY, WAITS
    slot = w.free_life
    life = e.lives[slot]
    w.free_life = life.after
    life.request = request
    life.arrived_s = now_s
    life.output_tokens = e.output_tokens[request]
    life.leaves_s = now_s + w.client_timeout_s
    life.deadline_s = now_s + w.total_timeout_s
    life.leaving = life.admitted = life.leads = life.committed = False
    life.ticket = 0
    life.list = NOBODY
    cpu_s = e.cpu_s[request] if e.has_cpu else 0.0
    if cpu_s > 0.0:
        life.stage = WORKED
        work(e, slot, cpu_s)
        return slot, WAITS
    return slot, RECALL


@inlined
def work(e: Any, slot: int, cpu_s: float) -> None:
    w, now_s = e.world[0], e.world[0].now_s
    worker = w.turn_of_worker
    w.turn_of_worker = worker + 1 if worker + 1 < len(e.worker_free_s) else 0
    done_s = max(now_s, e.worker_free_s[worker]) + cpu_s
    e.worker_free_s[worker] = done_s
    sleep(e, slot, done_s - now_s)


@inlined
def recall(e: Any, slot: int) -> int:
    life = e.lives[slot]
    if e.has_sessions and len(e.lookup_s) and e.lookup_s[life.request] > 0.0:
        life.stage = RECALLED
        sleep(e, slot, e.lookup_s[life.request])
        return WAITS
    return RECALLED


@inlined
def recalled(e: Any, slot: int) -> int:
    """What of the conversation goes along; then through the cache, or past it."""
    life = e.lives[slot]
    request = life.request
    row = e.rows[request]
    turns = e.history_turns[request] if e.has_history else 0
    first_turn = resume(e, row.conversation, row.turn) if e.has_sessions else 0
    tokens = 0
    if turns > first_turn:
        start = e.history_start[request]
        tokens = context_tokens(e.world[0].context, e.history_tokens[start + first_turn : start + turns])
    row.input_tokens = e.input_tokens[request] + tokens
    if too_late(e, slot):
        life.outcome = TIMEOUT
        return DONE
    return LOOK_UP if e.has_cache and tokens == 0 else QUEUE


@inlined
def too_late(e: Any, slot: int) -> bool:
    return e.has_failures and e.world[0].now_s >= e.lives[slot].deadline_s


@inlined
def through_cache(e: Any, slot: int) -> int:
    w, life = e.world[0], e.lives[slot]
    key = e.rows[life.request].prompt
    if look_up(e, key) == FRESH:
        life.outcome = CACHE_HIT
        return DONE
    leader = e.flights[key] if w.single_flight else NOBODY
    if leader == NOBODY:
        life.leads = True
        if w.single_flight:
            e.flights[key] = slot
        return QUEUE
    life.since_s = w.now_s
    life.stage = FLIGHT_OVER
    join(e, w.lines + leader, slot)
    park(e, slot, life.deadline_s - life.since_s)
    return WAITS


@inlined
def flight_over(e: Any, slot: int) -> int:
    life = e.lives[slot]
    e.rows[life.request].coalesced_s += e.world[0].now_s - life.since_s
    if not life.granted:
        quit_list(e, slot)
    elif not too_late(e, slot):
        return LOOK_UP
    life.outcome = TIMEOUT
    return DONE


@inlined
def through_queue(e: Any, slot: int) -> int:
    w, life = e.world[0], e.lives[slot]
    if not w.has_admission:
        return ASK
    place = take_place(w.admission, w.now_s)
    if place == NO_ROOM:
        life.outcome = REJECTED
        return DONE
    if place == IN_SERVICE:
        life.admitted = True
        return ASK
    patience_s = e.patience_s[life.request] if e.has_patience else math.inf
    life.since_s = w.now_s
    life.limit_s = min(w.admission.timeout_s, life.deadline_s - life.since_s)
    life.stage = TURN
    join(e, e.kinds[e.rows[life.request].kind].line, slot)
    park(e, slot, min(life.limit_s, patience_s))
    return WAITS


@inlined
def turn_come(e: Any, slot: int) -> int:
    w, life = e.world[0], e.lives[slot]
    e.rows[life.request].queue_wait_s = w.now_s - life.since_s
    if life.granted:
        life.admitted = True
        return ASK
    quit_list(e, slot)
    change_waiting(w.admission, w.now_s, -1)
    patience_s = e.patience_s[life.request] if e.has_patience else math.inf
    life.outcome = ABANDONED if patience_s < life.limit_s else TIMEOUT if life.limit_s < w.admission.timeout_s else REJECTED
    return DONE


@inlined
def done(e: Any, slot: int) -> None:
    """The request has its outcome."""
    life = e.lives[slot]
    give_back(e, slot, life.outcome == OK)
    outcome = life.outcome
    if e.has_failures and outcome in (FAILED, TIMEOUT) and not life.committed:
        outcome = degrade(e, slot, outcome)
    e.rows[life.request].outcome = outcome
    leave_system(e, life.request)
    free(e, slot)


@inlined
def close(e: Any, slot: int) -> None:
    """The client has left: end whatever its request was doing."""
    w, life = e.world[0], e.lives[slot]
    if life.stage == ANSWERED:
        life.ends_s = w.now_s - life.started_s
        end_attempt(e, slot, CANCELLED)
        e.targets[life.target].in_flight -= 1
        if e.has_breakers:
            release(breaker_of(e, life.target))
    elif life.stage == TURN:
        e.rows[life.request].queue_wait_s = w.now_s - life.since_s
        quit_list(e, slot)
        change_waiting(w.admission, w.now_s, -1)
    elif life.stage == FLIGHT_OVER:
        quit_list(e, slot)
    give_back(e, slot, False)
    leave_system(e, life.request)
    free(e, slot)


@inlined
def give_back(e: Any, slot: int, answered: bool) -> None:
    """The slot goes to the first in line, the answer to those who wait for it."""
    w, life = e.world[0], e.lives[slot]
    if life.admitted and pass_on(w.admission, w.now_s):
        for line in range(w.lines):
            if e.heads[line] != NOBODY:
                following = e.heads[line]
                quit_list(e, following)
                wake(e, following)
                break
    if e.has_cache and life.leads:
        key = e.rows[life.request].prompt
        if answered:
            store(e, key)
        if w.single_flight:
            e.flights[key] = NOBODY
            while e.heads[w.lines + slot] != NOBODY:
                waiter = e.heads[w.lines + slot]
                quit_list(e, waiter)
                wake(e, waiter)


@inlined
def degrade(e: Any, slot: int, outcome: int) -> int:
    w = e.world[0]
    if w.stale_first and e.has_cache and look_up(e, e.rows[e.lives[slot].request].prompt) != MISS:
        return FALLBACK
    return FALLBACK if w.canned else outcome


@inlined
def free(e: Any, slot: int) -> None:
    w, life = e.world[0], e.lives[slot]
    life.ticket = 0
    life.after = w.free_life
    w.free_life = slot
