"""A change within a log is found, and chance is none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from loadtest.cli.drift import drift
from sim.importing.calls import Calls
from sim.importing.read import read
from sim.importing.skipped import Skipped
from tests.sim.importing import logs


def parts(folder: Path, truth: logs.Truth) -> tuple[Calls, Calls]:
    place = logs.write_lines(folder / "log.jsonl", [logs.litellm(row, number) for number, row in enumerate(truth.rows())])
    calls = read("litellm", [place], {}, Skipped())[0]
    cut = len(calls) * 7 // 10
    return calls.where(slice(None, cut)), calls.where(slice(cut, None))


def test_a_log_of_one_law_does_not_drift(tmp_path: Path) -> None:
    for seed in range(5):
        assert drift(*parts(tmp_path, logs.truth(3000, seed=seed))) == []


def test_what_changed_is_named_with_its_size(tmp_path: Path) -> None:
    truth = logs.truth(3000)
    late = np.arange(3000) >= 2100
    truth.into[late] = np.rint(truth.into[late] * 1.5)
    truth.status[late & (np.arange(3000) % 5 == 0)] = 503
    found = drift(*parts(tmp_path, truth))
    assert [each.partition(":")[0] for each in found] == ["input tokens", "share of errors"]
    assert re.search(r"median \+[456]\d %", found[0])
