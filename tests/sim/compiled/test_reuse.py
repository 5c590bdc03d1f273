"""Memory is used again when nobody holds any part of it, and never before."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from sim.compiled import reuse
from sim.scenario.load import load

EVERYTHING = Path(__file__).parents[2] / "equivalence" / "everything.yaml"
FLOAT = np.dtype("f8")


@pytest.fixture(autouse=True)
def small_tables_count_as_large(monkeypatch):
    monkeypatch.setattr(reuse, "shelves", [])
    monkeypatch.setattr(reuse, "LARGEST_IN_HEAP", 0)


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_memory_that_nobody_holds_is_used_again():
    array = reuse.empty(1000, FLOAT)
    first = address(array)
    del array
    assert address(reuse.empty(900, np.dtype("i8"))) == first


@pytest.mark.parametrize("held", [lambda a: a, lambda a: a[5:7], lambda a: a.view("i8")[::2], lambda a: memoryview(a)], ids=range(4))
def test_memory_of_which_somebody_holds_a_part_is_not(held):
    array = reuse.empty(1000, FLOAT)
    array[:] = 7.0
    kept = held(array)
    del array
    reuse.empty(1000, FLOAT)[:] = 0.0
    assert np.asarray(kept).view(FLOAT).tolist()[0] == 7.0


def test_a_larger_table_takes_the_place_of_one_that_is_too_small():
    for count in (1000, 2000, 4000):
        assert len(reuse.empty(count, FLOAT)) == count
    assert [len(shelf.buffer) for shelf in reuse.shelves] == [34_000]


def test_a_small_table_does_not_hold_the_memory_of_a_large_one():
    for count in (1000, 400):
        reuse.empty(count, FLOAT)
    assert [len(shelf.buffer) for shelf in reuse.shelves] == [3400]


def test_no_more_is_kept_than_there_are_shelves():
    held = [reuse.empty(1000, FLOAT) for _ in range(3 * reuse.SHELVES)]
    assert len(reuse.shelves) == reuse.SHELVES
    assert len({address(array) for array in held}) == len(held)


def test_a_replication_leaves_no_trace_of_what_its_memory_held_before():
    from sim.compiled.replicate import replicate

    job = (load(EVERYTHING, ["workload.duration=60s", "faults=[]"]).scenario, 1.0, 3, 0)
    first = pickle.dumps(replicate(job))
    assert len(reuse.shelves) == 2
    for shelf in reuse.shelves:
        np.frombuffer(shelf.buffer, np.uint8)[:] = 0xA5
    assert pickle.dumps(replicate(job)) == first
    assert len(reuse.shelves) == 2
