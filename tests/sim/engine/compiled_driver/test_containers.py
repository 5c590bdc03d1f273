"""The hashed table of compiled code: what it finds is what a dict finds, whatever is added and dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

import sim.engine.compiled_driver.programs  # noqa: F401 (registers what these functions mean in compiled code)
from sim.engine.compiled_driver.containers import hashed_of, rehashed
from sim.kernel.containers import NOBODY, add, drop, find

KEYS, STEPS, ROOM = 60, 4000, 128


@njit(_nrt=False)
def toggle(places: Any, keys: Any, found: Any) -> None:
    """Drop each key that is there, add each that is not."""
    for step in range(len(keys)):
        place = find(places, keys[step])
        if place >= 0:
            drop(places, keys[step])
        else:
            add(places, keys[step])
        found[step] = place


@njit(_nrt=False)
def places_of(places: Any, keys: Any, found: Any) -> None:
    for number in range(len(keys)):
        found[number] = find(places, keys[number])


def test_it_finds_what_a_dict_finds():
    numbers = np.random.default_rng(3)
    known = numbers.integers(-(2**63), 2**63 - 1, KEYS)
    keys = known[numbers.integers(0, KEYS, STEPS)]
    hashed, found = hashed_of(ROOM), np.zeros(STEPS, np.int64)
    toggle(hashed, keys, found)
    there: set[int] = set()
    for key, place in zip(keys.tolist(), found.tolist(), strict=True):
        assert (place != NOBODY) == (key in there)
        there ^= {key}
    assert hashed.used["keys"] == len(there)
    assert hashed.used["places"] <= KEYS, "places that were dropped are used again"
    before, after = np.zeros(KEYS, np.int64), np.zeros(KEYS, np.int64)
    places_of(hashed, known, before)
    places_of(rehashed(hashed, 4 * ROOM), known, after)
    assert before.tolist() == after.tolist(), "more room moves nothing"
    assert len(set(before[before >= 0].tolist())) == len(there)
