"""Rows become tables, whole, in order, and without standing in memory twice."""

from __future__ import annotations

import numpy as np

from sim.data.schema import ATTEMPTS
from sim.engine.row_log import RowLog, joined


def test_packed_rows_come_back_as_they_were_added():
    log = RowLog(ATTEMPTS)
    for number in range(3):
        log.rows += log.pack(number, 0, 1, 2, 2**62 + number, 0, number / 3, float("nan"), 0.25, -2, 17, 2**40, 5, 321, 1e-9)
    assert len(log) == 3
    rows = log.table(replication=4)
    assert rows.dtype == ATTEMPTS
    assert rows["request"].tolist() == [0, 1, 2]
    assert rows["prompt"].tolist() == [2**62, 2**62 + 1, 2**62 + 2]
    assert rows["started_s"].tolist() == [0.0, 1 / 3, 2 / 3]
    assert np.isnan(rows["first_token_s"]).all()
    assert rows[0].item()[9:] == (0.25, -2, 17, 2**40, 5, 321, 1e-9)
    assert set(rows["replication"]) == {4}


def test_no_rows_make_an_empty_table():
    assert RowLog(ATTEMPTS).table().dtype == ATTEMPTS


def test_joining_takes_the_parts_out_of_the_list():
    parts = [np.arange(3), np.arange(0), np.arange(2)]
    assert joined(parts).tolist() == [0, 1, 2, 0, 1]
    assert parts == []
