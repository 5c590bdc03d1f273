"""The event loop: arrivals from the schedule and events from the heap, in the order of the SimPy world."""

from __future__ import annotations

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
from sim.compiled.heap import INFINITY, SLOT_BITS, next_order, pop
from sim.compiled.kernel import inlined
from sim.compiled.lists import NOBODY

FINISHED, NEEDS_ROOM = 0, 1


@compiled
def advance(engine: Any) -> int:
    """Run until nothing is left to happen (FINISHED), or a table is so full that the next event might not find room (NEEDS_ROOM)."""
    e = bound(engine)
    w = e.world[0]
    while True:
        if not has_room(e):
            return NEEDS_ROOM
        arriving = w.next_request < w.requests
        if w.heap_size and not (arriving and source_first(e)):
            sample_until(e, e.heap[0].at_s)
            w.now_s = e.heap[0].at_s
            what = pop(e)
            slot, ticket = what & 0xFFFF_FFFF, what >> SLOT_BITS
            if ticket == 0 or e.lives[slot].ticket == ticket:
                go_on(e, slot)
        elif arriving:
            sample_until(e, w.next_at_s)
            w.now_s = w.next_at_s
            slot = stages.arrive(e, w.next_request)
            if slot != NOBODY and e.lives[slot].stage == RECALL:
                go_on(e, slot)
            w.next_request += 1
            if w.next_request < w.requests:
                expect_next(e)
        else:
            sample_until(e, INFINITY)
            return FINISHED


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
    e = bound(engine)
    if e.world[0].requests:
        expect_next(e)


@inlined
def source_first(e: Any) -> bool:
    w = e.world[0]
    return w.next_at_s < e.heap[0].at_s or (w.next_at_s == e.heap[0].at_s and w.next_order < e.heap[0].order)


@njit
def go_on(e: Any, slot: int) -> None:
    """Resume a life until it waits again, or ends."""
    life = e.lives[slot]
    if life.leaving:
        stages.close(e, slot)
        return
    life.ticket = 0
    stage = life.stage
    if stage == WORKED:
        row = e.rows[life.request]
        row.cpu_s = e.world[0].now_s - life.arrived_s
        stage = RECALL
    elif stage == FLIGHT_OVER:
        stage = stages.flight_over(e, slot)
    elif stage == TURN:
        stage = stages.turn_come(e, slot)
    elif stage == BACKED_OFF:
        e.rows[life.request].backoff_s += life.pause_s
        stage = TRY
    elif stage == ANSWERED:
        stage = asking.answered(e, slot)
    if stage == RECALL:
        stage = stages.recall(e, slot)
    if stage == RECALLED:
        stage = stages.recalled(e, slot)
    if stage == LOOK_UP:
        stage = stages.through_cache(e, slot)
    if stage == QUEUE:
        stage = stages.through_queue(e, slot)
    if stage == ASK:
        stage = asking.ask(e, slot)
    while stage in (NEXT, TRY):
        stage = asking.next_target(e, slot) if stage == NEXT else asking.attempt(e, slot)
    if stage == DONE:
        stages.done(e, slot)
    else:
        assert stage == WAITS


@njit
def sample_until(e: Any, at_s: float) -> None:
    """Take the samples of the timeline that are due by ``at_s``: before anything else that happens then."""
    w = e.world[0]
    while w.sampled < w.samples:
        due_s = w.sampled_at_s + (w.sampled * w.sample_every_s - w.sampled_at_s)
        if due_s > at_s:
            return
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
        sample.at_s = due_s
        sample.waiting = w.admission.waiting
        sample.in_service = in_service
        sample.open_breakers = opened
        w.sampled_at_s = due_s
        w.sampled += 1
