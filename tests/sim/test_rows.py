"""Rows become tables, whole, in order, and without standing in memory twice."""

from __future__ import annotations

import numpy as np

from sim.records import ATTEMPTS
from sim.rows import ATTEMPT_FIELDS, Columns, RowLog, attempt_rows, joined


def attempt(request: int) -> tuple:
    return (request, 0, 1, 0, 7, 0, request / 2, float("nan"), 0.25, 503, 0, 0, 0.0)


def test_packing_changes_nothing():
    packed, plain = RowLog(ATTEMPT_FIELDS, ATTEMPTS), RowLog(ATTEMPT_FIELDS, ATTEMPTS)
    for number in range(10):
        packed.append(attempt(number))
        plain.append(attempt(number))
        if number % 4 == 3:
            packed.pack()
    assert len(packed) == 2
    rows = attempt_rows(packed, 3)
    assert rows["request"].tolist() == list(range(10))
    assert set(rows["replication"]) == {3}
    assert rows.tobytes() == attempt_rows(plain, 3).tobytes()


def test_no_rows_make_an_empty_table():
    assert attempt_rows(RowLog(ATTEMPT_FIELDS, ATTEMPTS), 0).dtype == ATTEMPTS


def test_joining_takes_the_parts_out_of_the_list():
    parts = [np.arange(3), np.arange(0), np.arange(2)]
    assert joined(parts).tolist() == [0, 1, 2, 0, 1]
    assert parts == []


def test_columns_are_those_of_the_masked_rows():
    rows = np.zeros(3, ATTEMPTS)
    rows["status"] = [200, 503, 429]
    some = Columns(rows, rows["status"] > 400)
    assert len(some) == 2
    assert some["status"].tolist() == [503, 429]
