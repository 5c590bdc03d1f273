"""A run directory that does not hold every row says so wherever somebody might count them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.report.render import render
from sim.results import store
from sim.results.results import Results, gather
from sim.results.store import read_results, write_results
from sim.scenario.load import canonical, to_yaml
from tests.sim.synthetic_runs import synthetic_run

SAYS = "at 1x the rows kept (and drawn in the report) are those of the first 2 replications of 4, "


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_ROWS", 6000)


def results(keep_all: bool) -> Results:
    made = synthetic_run(replications=4)
    return gather([made], "ab" * 32, to_yaml(canonical(made.scenario)), argv=["tenfold"], keep_all=keep_all)


def test_the_summary_and_the_report_say_which_rows_are_kept(tmp_path: Path) -> None:
    given = results(keep_all=False)
    place = write_results(given, tmp_path / "kept", render)
    kept = json.loads((place / "summary.json").read_text())["runs"][0]["rows_kept"]
    found = read_results(place).runs[0]
    assert (kept["replications"], kept["of_replications"]) == (2, 4)
    assert (kept["requests"], kept["of_requests"]) == (len(found.requests), len(given.runs[0].requests))
    assert kept["says"].startswith(SAYS)
    assert f"A{SAYS[1:]}" in (place / "report.html").read_text()


def test_every_row_is_kept_when_that_is_asked_for(tmp_path: Path) -> None:
    place = write_results(results(keep_all=True), tmp_path / "kept", render)
    assert read_results(place).runs[0].replications == 4
    assert "rows_kept" not in json.loads((place / "summary.json").read_text())["runs"][0]
    assert "the rows kept" not in (place / "report.html").read_text()
