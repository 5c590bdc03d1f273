"""Which targets a request may try, in order; and what their breakers say."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.compiled.kernel import child, inlined
from sim.compiled.ringed import ringed
from sim.compiled.settings import FASTEST, LEAST_BUSY, ROUND_ROBIN, WEIGHTED
from sim.policy.breaker import allow, permits_call, record
from sim.policy.router import place_by_weight
from sim.stochastics.random_streams import unit


@inlined
def itinerary(e: Any, slot: int) -> None:
    """``Gateway.itinerary``, its targets: into the row of ``itineraries``; ``targets`` says how many."""
    w, life = e.world[0], e.lives[slot]
    number = e.kinds[e.rows[life.request].kind].pool
    pool, size, order = e.pools[number], e.pool_sizes[number], e.itineraries[slot]
    first = 0
    if w.routing == ROUND_ROBIN:
        first = w.turn_of_robin
        w.turn_of_robin = first + 1 if first + 1 < size else 0
    elif w.routing == WEIGHTED:
        first = place_by_weight(e.weights, unit(child(w.routing_root, np.int64(life.request))))
    for place in range(size):
        order[place] = pool[first + place if first + place < size else first + place - size]
    if w.routing == LEAST_BUSY or w.routing == FASTEST:
        sort(e, order, size, w.routing == LEAST_BUSY)
    count = keep_permitted(e, order, size)
    life.targets = count if w.next_provider or w.retry_next else min(count, 1)


@inlined
def sort(e: Any, order: np.ndarray, count: int, by_load: bool) -> None:
    """Least busy, or fastest, first; equal ones as they stand."""
    for end in range(1, count):
        target, place = order[end], end
        value = e.targets[target].in_flight if by_load else e.targets[target].latency_s
        while place > 0:
            other = e.targets[order[place - 1]]
            if (other.in_flight if by_load else other.latency_s) <= value:
                break
            order[place] = order[place - 1]
            place -= 1
        order[place] = target


@inlined
def keep_permitted(e: Any, order: np.ndarray, count: int) -> int:
    """Drop the targets whose breaker would refuse; returns how many are left."""
    if not e.has_breakers:
        return count
    kept = 0
    for place in range(count):
        if permits_call(breaker_of(e, order[place]), e.world[0].now_s):
            order[kept] = order[place]
            kept += 1
    return kept


@inlined
def breaker_of(e: Any, target: int) -> Any:
    breaker = e.breakers[target]
    return ringed(breaker, e.breaker_rings[breaker.start : breaker.start + breaker.length])


@inlined
def allowed(e: Any, target: int) -> bool:
    breaker = breaker_of(e, target)
    before = breaker.state
    answer = allow(breaker, e.world[0].now_s)
    if breaker.state != before:
        moved(e, target, breaker.state)
    return answer


@inlined
def record_result(e: Any, target: int, failed: bool, duration_s: float) -> None:
    breaker = breaker_of(e, target)
    if record(breaker, e.world[0].now_s, failed, duration_s):
        moved(e, target, breaker.state)


@inlined
def moved(e: Any, target: int, state: int) -> None:
    w = e.world[0]
    move = e.moves[w.moves]
    w.moves += 1
    move.at_s, move.target, move.state = w.now_s, target, state
