"""The queue of events gives them back by time, and at one time in the order in which they were set; timers first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from sim.engine.compiled_driver.heap import CALL, EVENT, KIND, KIND_BITS, SEND, TIMER, drop_first, first_events, no_events, no_places, push
from sim.engine.compiled_driver.loop import ROOM, Engine, Loop
from sim.kernel.state import records_of

COUNT = 3000


@njit(_nrt=False)
def push_and_pop(e: Any, times_s: Any, kinds: Any, popped: Any, every: int) -> None:
    """Push all, and after each of ``every`` take the first one away; then the others."""
    taken = 0
    for number in range(len(times_s)):
        push(e, times_s[number], kinds[number], number, 0)
        if number % every == 0:
            popped[taken] = e.events[0].entry
            drop_first(e)
            taken += 1
    while e.loop.events > 0:
        popped[taken] = e.events[0].entry
        drop_first(e)
        taken += 1


def engine_of(events: int, slots: int) -> Engine:
    queue = {"loop": records_of(Loop())[0], "events": no_events(events + ROOM), "places": no_places(slots)}
    return Engine(**dict.fromkeys(Engine._fields) | queue)


def popped_of(times_s: np.ndarray, kinds: np.ndarray, every: int) -> np.ndarray:
    engine = engine_of(len(times_s), len(times_s))
    popped = np.full(len(times_s), -1)
    push_and_pop(engine, times_s, kinds, popped, every)
    assert np.isinf(engine.events["at_s"]).all()
    return popped


def test_events_come_by_time_and_order():
    numbers = np.random.default_rng(1)
    times_s = numbers.integers(0, 200, COUNT).astype(float)  # many at one time
    kinds = numbers.choice([CALL, TIMER, SEND], COUNT)
    popped = popped_of(times_s, kinds, COUNT + 1)  # the first is taken at once
    later = np.arange(1, COUNT)
    expected = later[np.lexsort((later, kinds[later] != TIMER, times_s[later]))]
    assert (popped[1:] >> KIND_BITS).tolist() == expected.tolist()
    assert (popped & KIND).tolist() == kinds[popped >> KIND_BITS].tolist()


def test_what_is_pushed_between_others_is_put_in_its_place():
    numbers = np.random.default_rng(2)
    times_s = numbers.random(COUNT)
    popped = popped_of(times_s, np.zeros(COUNT, np.int64), 3)
    assert sorted(popped.tolist()) == [number << KIND_BITS for number in range(COUNT)]
    rest = times_s[popped[COUNT // 3 :] >> KIND_BITS]
    assert (np.diff(rest) >= 0).all()


@njit(_nrt=False)
def push_and_pop_again(e: Any, slots: Any, times_s: Any, popped: Any, every: int) -> int:
    """Push for slots that have an event already, too; after each of ``every`` take the first one away; then the others."""
    taken = 0
    for number in range(len(slots)):
        push(e, times_s[number], CALL, slots[number], number)
        if number % every == 0:
            popped[taken] = e.events[0]
            drop_first(e)
            taken += 1
    while e.loop.events > 0:
        popped[taken] = e.events[0]
        drop_first(e)
        taken += 1
    return taken


def test_a_call_has_one_event_that_moves_with_each_push():
    numbers, slots = np.random.default_rng(3), 50
    of, times_s = numbers.integers(0, slots, COUNT), numbers.integers(0, 200, COUNT).astype(float)
    engine, popped = engine_of(slots, slots), np.zeros(COUNT, EVENT)
    taken = push_and_pop_again(engine, of, times_s, popped, 3)
    waiting, expected = {}, []  # by slot: (time, number of the push)
    for number in range(COUNT):
        waiting[of[number]] = times_s[number], number
        if number % 3 == 0:
            expected.append(waiting.pop(min(waiting, key=waiting.__getitem__)))
    expected += sorted(waiting.values())
    assert list(zip(popped["at_s"][:taken], popped["ticket"][:taken], strict=True)) == expected
    assert (engine.places == -1).all()
    assert np.isinf(engine.events["at_s"]).all()


def test_first_events_come_by_time_and_timers_before_all():
    events = first_events(2, np.array([5, 6, 7]), np.array([3.0, 0.0, 3.0]), ROOM)
    assert [(entry >> KIND_BITS, entry & KIND) for entry in events["entry"][:5]] == [
        (0, TIMER),
        (1, TIMER),
        (6, SEND),
        (5, SEND),
        (7, SEND),
    ]
    assert events["order"][0] < events["order"][1] < 0
    assert events["order"][3] < events["order"][4]
