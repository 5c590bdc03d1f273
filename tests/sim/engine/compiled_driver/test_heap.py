"""The queue of events gives them back by time, and at one time in the order in which they were set; timers and servers first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from sim.engine.compiled_driver.heap import CALL, KIND, KIND_BITS, SERVER, TIMER, drop_first, no_events, push
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


def popped_of(times_s: np.ndarray, kinds: np.ndarray, every: int) -> np.ndarray:
    loop = records_of(Loop())[0]
    engine = Engine(loop, no_events(len(times_s) + ROOM), None, None, None, None, None, None)
    popped = np.full(len(times_s), -1)
    push_and_pop(engine, times_s, kinds, popped, every)
    assert np.isinf(engine.events["at_s"]).all()
    return popped


def test_events_come_by_time_and_order():
    numbers = np.random.default_rng(1)
    times_s = numbers.integers(0, 200, COUNT).astype(float)  # many at one time
    kinds = numbers.choice([CALL, TIMER, SERVER], COUNT)
    popped = popped_of(times_s, kinds, COUNT + 1)  # the first is taken at once
    later = np.arange(1, COUNT)
    expected = later[np.lexsort((later, kinds[later] == CALL, times_s[later]))]
    assert (popped[1:] >> KIND_BITS).tolist() == expected.tolist()
    assert (popped & KIND).tolist() == kinds[popped >> KIND_BITS].tolist()


def test_what_is_pushed_between_others_is_put_in_its_place():
    numbers = np.random.default_rng(2)
    times_s = numbers.random(COUNT)
    popped = popped_of(times_s, np.zeros(COUNT, np.int64), 3)
    assert sorted(popped.tolist()) == [number << KIND_BITS for number in range(COUNT)]
    rest = times_s[popped[COUNT // 3 :] >> KIND_BITS]
    assert (np.diff(rest) >= 0).all()
