"""The event loop: arrivals from the schedule and events from the heap, in the order of the SimPy world."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from sim.compiled import asking, stages
from sim.compiled.bound import bound
from sim.compiled.cache import compiled
from sim.compiled.codes import (
    ANSWERED,
    ASK,
    BACKED_OFF,
    DONE,
    FLIGHT_OVER,
    LOOK_UP,
    NEXT,
    QUEUE,
    RECALL,
    RECALLED,
    TRY,
    TURN,
    WAITS,
    WORKED,
)
from sim.compiled.foresight import foresee_events
from sim.compiled.heap import INFINITY, SLOT, SLOT_BITS, next_order, pop
from sim.compiled.kernel import inlined
from sim.compiled.lists import NOBODY

FINISHED, NEEDS_ROOM = 0, 1
NEVER = math.nan


@compiled
def advance(engine: Any) -> int:
    """Run until nothing is left to happen (FINISHED), or a table is so full that the next event might not find room (NEEDS_ROOM)."""
    return events(bound(engine, False))


@compiled
def advance_bare(engine: Any) -> int:
    """``advance`` for scenarios that use none of STAGES."""
    return events(bound(engine, True))


@njit
def events(e: Any) -> int:
    w = e.world[0]
    while has_room(e):
        arriving = w.next_request < w.requests
        arrived = False
        if w.heap_size and not (arriving and source_first(e)):
            sample_until(e, e.heap[0].at_s)
            w.now_s = e.heap[0].at_s
            what = pop(e)
            slot, ticket = what & SLOT, what >> SLOT_BITS
            if ticket != 0 and e.lives[slot].ticket != ticket:
                continue  # it was woken before its time was up
            foresee_events(e)
            stage = resume(e, slot)
        elif arriving:
            sample_until(e, w.next_at_s)
            w.now_s = w.next_at_s
            slot, stage = stages.arrive(e, w.next_request)
            arrived = True
        else:
            sample_until(e, INFINITY)
            return FINISHED
        live_on(e, slot, stage)
        if arrived:
            w.next_request += 1
            if w.next_request < w.requests:
                expect_next(e)
    return NEEDS_ROOM


@inlined
def has_room(e: Any) -> bool:
    """One event adds at most one life and one attempt, an entry for every life inside, and a move for every breaker (and one more)."""
    w = e.world[0]
    return (
        w.free_life != NOBODY
        and w.heap_size + w.inside + 2 < len(e.heap)
        and w.attempts < len(e.attempts)
        and w.moves + len(e.targets) + 1 < len(e.moves)
    )


@inlined
def expect_next(e: Any) -> None:
    """The source sleeps until the next arrival."""
    w = e.world[0]
    w.next_at_s = w.now_s + (e.arrival_s[w.next_request] - w.now_s)
    w.next_order = next_order(e)


@compiled
def start(engine: Any) -> None:
    e = bound(engine, False)
    if e.world[0].requests:
        expect_next(e)


@inlined
def source_first(e: Any) -> bool:
    w = e.world[0]
    return w.next_at_s < e.heap[0].at_s or (w.next_at_s == e.heap[0].at_s and w.next_order < e.heap[0].order)


@inlined
def resume(e: Any, slot: int) -> int:
    """A life wakes up: what it does next, or WAITS if its client has left."""
    life = e.lives[slot]
    if e.has_departures and life.leaving:
        stages.close(e, slot)
        return WAITS
    life.ticket = 0
    stage = life.stage
    if stage == ANSWERED:
        return asking.answered(e, slot)
    if stage == TURN:
        return stages.turn_come(e, slot)
    if e.has_cpu and stage == WORKED:
        e.rows[life.request].cpu_s = e.world[0].now_s - life.arrived_s
        return RECALL
    if e.has_cache and stage == FLIGHT_OVER:
        return stages.flight_over(e, slot)
    if e.has_failures and stage == BACKED_OFF:
        e.rows[life.request].backoff_s += life.pause_s
        return TRY
    return stage


@inlined
def live_on(e: Any, slot: int, stage: int) -> None:
    """From stage to stage, until it waits again or ends."""
    if stage == RECALL:
        stage = stages.recall(e, slot)
    if stage == RECALLED:
        stage = stages.recalled(e, slot)
    if e.has_cache and stage == LOOK_UP:
        stage = stages.through_cache(e, slot)
    if stage == QUEUE:
        stage = stages.through_queue(e, slot)
    if stage == ASK:
        stage = asking.ask(e, slot)
    while stage in (NEXT, TRY):
        stage = asking.next_target(e, slot) if stage == NEXT else asking.attempt(e, slot)
    if stage == DONE:
        stages.done(e, slot)


@inlined
def sample_until(e: Any, at_s: float) -> None:
    """Take the samples of the timeline that are due by ``at_s``: before anything else that happens then."""
    while e.world[0].sample_due_s <= at_s:
        take_sample(e)


@njit
def take_sample(e: Any) -> None:
    w = e.world[0]
    in_service = w.admission.in_service
    if not w.has_admission:
        in_service = 0
        for number in range(len(e.targets)):
            in_service += e.targets[number].in_flight
    opened = 0
    for number in range(len(e.breakers)):
        opened += e.breakers[number].state != 0
    sample = e.timeline[w.sampled]
    sample.replication = w.replication
    sample.at_s = w.sample_due_s
    sample.waiting = w.admission.waiting
    sample.in_service = in_service
    sample.open_breakers = opened
    w.sampled += 1
    next_s = w.sample_due_s + (w.sampled * w.sample_every_s - w.sample_due_s)
    w.sample_due_s = next_s if w.sampled < w.samples else NEVER
