"""A fingerprint is of everything that happened, whoever keeps the rows and however few are looked at at a time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sim.data import fingerprint as module
from sim.data.fingerprint import fingerprint
from sim.data.run import Run
from sim.data.schema import ATTEMPTS
from sim.data.spill import RowKeeper
from sim.data.table import Table
from sim.gateway.rows import REQUESTS
from tests.sim.synthetic_runs import synthetic_run


@pytest.fixture(scope="module")
def run() -> Run:
    return synthetic_run(replications=2)


@pytest.mark.parametrize("block", [1, 7, 1000, 10**6])
def test_it_does_not_depend_on_the_blocks(run: Run, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = fingerprint(run)
    monkeypatch.setattr(module, "BLOCK", block)
    assert fingerprint(run) == wanted


def test_it_does_not_depend_on_where_the_rows_are_kept(run: Run) -> None:
    keeper, parts = RowKeeper(0), []
    for number in range(run.replications):
        parts.append(keeper.spill(*(rows[rows["replication"] == number] for rows in (run.requests, run.attempts))))
    requests, attempts = (Table(rows, dtype) for rows, dtype in zip(zip(*parts, strict=True), (REQUESTS, ATTEMPTS), strict=True))
    assert fingerprint(replace(run, requests=requests, attempts=attempts)) == fingerprint(run)


def test_it_does_not_depend_on_the_byte_order_of_the_machine(run: Run) -> None:
    turned = [rows.astype(rows.dtype.newbyteorder(">")) for rows in (run.requests, run.attempts)]
    assert fingerprint(replace(run, requests=turned[0], attempts=turned[1])) == fingerprint(run)


def test_another_process_with_another_hash_seed_finds_the_same(run: Run) -> None:
    code = """
from tests.sim.synthetic_runs import synthetic_run
from sim.data.fingerprint import fingerprint
print(fingerprint(synthetic_run(replications=2)))
"""
    environment = {"PYTHONHASHSEED": "77", "PYTHONPATH": ":".join(filter(None, sys.path))}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout
    assert said.strip() == fingerprint(run)


@pytest.mark.parametrize(
    ("rows", "column"), [*(("requests", name) for name in REQUESTS.names or ()), *(("attempts", name) for name in ATTEMPTS.names or ())]
)
def test_anything_that_goes_otherwise_changes_it(run: Run, rows: str, column: str) -> None:
    changed = np.array(getattr(run, rows))
    changed[column][17] = 1 if np.isnan(changed[column][17]) else changed[column][17] + 1
    assert fingerprint(replace(run, **{rows: changed})) != fingerprint(run)


def test_two_rows_that_change_places_change_it(run: Run) -> None:
    changed = np.array(run.requests)
    changed[[3, 4]] = changed[[4, 3]]
    assert fingerprint(replace(run, requests=changed)) != fingerprint(run)


def test_events_and_the_names_of_targets_count(run: Run) -> None:
    later = [{**run.events[0], "at_s": run.events[0]["at_s"] + 1e-9}, *run.events[1:]]
    others = [replace(run, events=later), replace(run, targets=("other/model", *run.targets[1:]))]
    assert len({fingerprint(each) for each in (run, *others)}) == 3
