"""Readers of rows need not know whether they stand in memory or in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.data import table
from sim.data.schema import ATTEMPTS
from sim.data.spill import spill
from sim.data.table import Columns, Table
from sim.gateway.rows import REQUESTS
from tests.sim.synthetic_runs import rows

LENGTHS = (30, 0, 12)


@pytest.fixture
def whole() -> np.ndarray:
    parts = [rows(count, number, latency_s=np.linspace(number, 2.0, count)) for number, count in enumerate(LENGTHS)]
    joined = np.concatenate(parts)
    joined["ttft_s"][::3] = np.nan
    return joined


@pytest.fixture(params=["memory", "disk", "both"])
def made(request: pytest.FixtureRequest, whole: np.ndarray, tmp_path: Path) -> Table:
    parts = np.split(whole, np.cumsum(LENGTHS)[:-1])
    on_disk = {"memory": (), "disk": (0, 1, 2), "both": (0,)}[request.param]
    return Table([spill(part, tmp_path / f"{n}.parquet") if n in on_disk else part for n, part in enumerate(parts)], REQUESTS)


def test_a_table_reads_like_the_array_of_its_rows(made: Table, whole: np.ndarray) -> None:
    assert len(made) == len(whole) == 42
    for name in REQUESTS.names or ():
        assert made[name].dtype == whole[name].dtype
        assert made[name].tobytes() == whole[name].tobytes()
    assert np.asarray(made).tobytes() == whole.tobytes()


@pytest.mark.parametrize("few", [True, False])
def test_a_mask_selects_rows(made: Table, whole: np.ndarray, few: bool) -> None:
    mask = whole["replication"] == 2 if few else whole["latency_s"] > 1.0
    assert made[mask].tobytes() == whole[mask].tobytes()
    assert len(made[np.zeros(42, bool)]) == 0


@pytest.mark.parametrize("which", [np.zeros(41, bool), np.arange(3)])
def test_a_table_is_read_in_columns(made: Table, which: np.ndarray) -> None:
    with pytest.raises(IndexError, match="expected the name of a column or a mask of 42 rows"):
        made[which]


def test_parts_that_the_mask_does_not_touch_are_not_read(whole: np.ndarray, tmp_path: Path) -> None:
    gone = spill(whole[:30], tmp_path / "gone.parquet")
    gone.path.unlink()
    made = Table([gone, whole[30:]], REQUESTS)
    assert len(made[whole["replication"] == 2]) == 12


def test_a_table_of_no_parts_is_empty() -> None:
    assert len(Table([], ATTEMPTS)) == len(np.asarray(Table([], ATTEMPTS))) == len(Table([], ATTEMPTS)["status"]) == 0


def test_columns_are_those_of_the_masked_rows() -> None:
    attempts = np.zeros(3, ATTEMPTS)
    attempts["status"] = [200, 503, 429]
    some = Columns(attempts, attempts["status"] > 400)
    assert len(some) == 2
    assert some["status"].tolist() == [503, 429]
    every = Columns(attempts, attempts["status"] > 0)
    assert len(every) == 3
    assert every["status"].flags.c_contiguous, "figures must not depend on how rows lie in memory"


def test_the_columns_asked_for_last_stay_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "CACHED_BYTES", 2 * 8 * 100)
    columns = Columns(rows(100))
    first, second = columns["latency_s"], columns["ttft_s"]
    assert columns["latency_s"] is first
    columns["cost_usd"]  # there is room for two: the one asked for longest ago goes
    assert columns["latency_s"] is first
    assert columns["ttft_s"] is not second
