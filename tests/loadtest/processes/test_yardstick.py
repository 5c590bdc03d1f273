"""The yardstick takes CPU time, and tells a slower machine from a faster one."""

from __future__ import annotations

import time

import pytest

from loadtest.processes import yardstick


def test_it_is_measured_beside_a_run() -> None:
    with yardstick.watched() as seen:
        time.sleep(yardstick.PAUSE_S * 7)
    assert 3 <= len(seen) <= 7
    assert all(0.0001 < each_s < 0.5 for each_s in seen)


def test_a_typical_one_needs_some_measurements() -> None:
    assert yardstick.typical_s([0.002] * 4) is None
    assert yardstick.typical_s([0.002, 0.002, 0.002, 0.002, 0.007]) == pytest.approx(0.003)
