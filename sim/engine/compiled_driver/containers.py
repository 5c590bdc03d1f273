"""The containers of stages and providers as arrays: what the few functions of ``sim.kernel.containers`` and ``sim.gateway.hooks`` mean
that have a form of their own in compiled code.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from sim.engine.compiled_driver.numbing import jitable, means
from sim.gateway import hooks
from sim.kernel import containers
from sim.kernel.containers import NOBODY
from sim.kernel.state import records_of, state

Stack = namedtuple("Stack", ["rows", "top"])
"""A list that has room for a while: ``rows`` is an array, ``top`` counts those in use. Who fills it looks for room before."""
Hashed = namedtuple("Hashed", ["keys", "places", "free", "used"])
"""Open addressing with linear probing: ``places[i]`` is the place of ``keys[i]``, NOBODY where there is none. ``free`` is a Stack of
places that were dropped, ``used`` counts keys and places.
"""
SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)  # 2^64 / golden ratio (Knuth's multiplicative hashing)
EVENT = np.dtype([("at_s", "f8"), ("kind", "i8"), ("subject", "i8"), ("value", "i8")])


@state
class Top:
    count: int = 0


@state
class Used:
    keys: int = 0
    places: int = 0  # ever given out


def stack_of(rows: np.ndarray, count: int) -> Stack:
    return Stack(rows, records_of(Top(count))[0])


def hashed_of(room: int) -> Hashed:
    """For some ``room`` keys, a power of two."""
    free = stack_of(np.zeros(room, np.int64), 0)
    return Hashed(np.zeros(2 * room, np.int64), np.full(2 * room, NOBODY, np.int64), free, records_of(Used())[0])


def rehashed(hashed: Hashed, room: int) -> Hashed:
    """The same keys and places, with more room."""
    larger = hashed_of(room)
    top = hashed.free.top["count"]
    larger.free.rows[:top] = hashed.free.rows[:top]
    larger.free.top["count"] = top
    larger.used["keys"], larger.used["places"] = hashed.used["keys"], hashed.used["places"]
    fill(larger.keys, larger.places, hashed.keys[hashed.places >= 0], hashed.places[hashed.places >= 0])
    return larger


def fill(keys: np.ndarray, places: np.ndarray, old_keys: np.ndarray, old_places: np.ndarray) -> None:
    """All keys at once, round by round: who finds its spot free in a round takes it, the others look one further."""
    mask = len(keys) - 1
    spots = ((old_keys.view(np.uint64) * SPREAD) >> np.uint64(20)).astype(np.int64) & mask
    while len(old_keys):
        free = places[spots] == NOBODY
        first = np.zeros(len(spots), bool)
        first[np.unique(spots, return_index=True)[1]] = True
        taken = free & first
        keys[spots[taken]], places[spots[taken]] = old_keys[taken], old_places[taken]
        old_keys, old_places, spots = old_keys[~taken], old_places[~taken], (spots[~taken] + ~(free & ~first)[~taken]) & mask


@jitable
def spot_of(hashed: Any, key: int) -> Any:
    """Where the key is, or where it would be put."""
    mask = len(hashed.keys) - 1
    spot = np.int64((np.uint64(key) * SPREAD) >> np.uint64(20)) & mask
    while hashed.places[spot] != NOBODY and hashed.keys[spot] != key:
        spot = (spot + 1) & mask
    return spot


@jitable
def add_key(hashed: Any, key: int) -> int:
    free, used = hashed.free, hashed.used
    if free.top.count > 0:
        free.top.count -= 1
        place = free.rows[free.top.count]
    else:
        place = used.places
        used.places += 1
    used.keys += 1
    spot = spot_of(hashed, key)
    hashed.keys[spot], hashed.places[spot] = key, place
    return place


@jitable
def drop_key(hashed: Any, key: int) -> None:
    """Those behind the gap that would no longer be found move into it (Knuth's algorithm R)."""
    mask = len(hashed.keys) - 1
    gap = spot_of(hashed, key)
    hashed.free.rows[hashed.free.top.count] = hashed.places[gap]
    hashed.free.top.count += 1
    hashed.used.keys -= 1
    spot = gap
    while True:
        spot = (spot + 1) & mask
        if hashed.places[spot] == NOBODY:
            break
        home = np.int64((np.uint64(hashed.keys[spot]) * SPREAD) >> np.uint64(20)) & mask
        if ((spot - home) & mask) >= ((spot - gap) & mask):
            hashed.keys[gap], hashed.places[gap] = hashed.keys[spot], hashed.places[spot]
            gap = spot
    hashed.places[gap] = NOBODY


@means(containers.find)
def compiled_find(places: Any, key: int) -> Callable[..., Any]:
    return lambda places, key: places.places[spot_of(places, key)]


@means(containers.add)
def compiled_add(places: Any, key: int) -> Callable[..., Any]:
    return lambda places, key: add_key(places, key)


@means(containers.drop)
def compiled_drop(places: Any, key: int) -> Callable[..., Any]:
    return lambda places, key: drop_key(places, key)


@means(containers.forget)
def compiled_forget(table: Any, key: int) -> Callable[..., Any]:
    return lambda table, key: None


@means(containers.put)
def compiled_put(numbers: Any, place: int, value: int) -> Callable[..., Any]:
    def put(numbers: Any, place: int, value: int) -> None:
        numbers[place] = value

    return put


@means(hooks.take_slot)
def compiled_take_slot(g: Any) -> Callable[..., Any]:
    def take_slot(g: Any) -> int:
        g.free.top.count -= 1
        return g.free.rows[g.free.top.count]

    return take_slot


@means(hooks.free_slot)
def compiled_free_slot(g: Any, slot: int) -> Callable[..., Any]:
    def free_slot(g: Any, slot: int) -> None:
        g.free.rows[g.free.top.count] = slot
        g.free.top.count += 1

    return free_slot


@means(hooks.fork)
def compiled_fork(g: Any, c: Any) -> Callable[..., Any]:
    def fork(g: Any, c: Any) -> Any:
        slot = hooks.take_slot(g)
        ticket = g.calls[slot].ticket  # of the slot's last call, whose timers may still be about
        g.calls[slot] = c
        twin = g.calls[slot]
        twin.slot, twin.ticket = slot, ticket + 1
        return twin

    return fork


@means(hooks.note)
def compiled_note(g: Any, now_s: float, kind: int, subject: int, value: int) -> Callable[..., Any]:
    def note(g: Any, now_s: float, kind: int, subject: int, value: int) -> None:
        event = g.events.rows[g.events.top.count]
        event.at_s, event.kind, event.subject, event.value = now_s, kind, subject, value
        g.events.top.count += 1

    return note
