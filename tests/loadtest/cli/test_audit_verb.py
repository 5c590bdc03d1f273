"""audit, from the command line: mistakes, what has no effect, checklists, and what has moved since the last one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run

BAD = "guide/mistakes/cold_starts_before"
FEW = ["--replications", "3", "--workers", "1", "-q", "--set", "workload.duration=4h"]


def audited(capsys: pytest.CaptureFixture[str], scenario: str, *more: str) -> dict:
    assert run(["audit", scenario, *FEW, "--json", *more]) == exit_codes.OK
    said = capsys.readouterr()
    assert said.err == ""
    document: dict = json.loads(said.out)
    return document


@pytest.mark.slow
def test_strict_exits_3_where_a_mistake_is_found_and_0_where_none_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", BAD, *FEW, "--strict"]) == exit_codes.GATE
    told = capsys.readouterr().out
    assert told.startswith("1 of the guide's 6 mistakes: cold starts;")
    assert "Forgetting about cold starts: Serverless functions" in told
    assert run(["audit", BAD.replace("before", "after"), *FEW, "--strict"]) == exit_codes.OK
    assert capsys.readouterr().out.startswith("None of the guide's 6 mistakes;")


def test_the_checklists_are_those_of_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    document = audited(capsys, BAD, "--set", "workload.users=12000")
    due = [each["title"] for each in document["checklists"] if each["due"]]
    assert due == ["Before launch", "At 1,000 users", "At 10,000 users"]
    lines = {line["line"]: line for each in document["checklists"] for line in each["lines"]}
    assert len(lines) == 20
    assert lines["Rate limiting per user and globally"]["ticked"] is True
    assert lines["Basic caching implemented"]["ticked"] is False
    assert lines["Basic caching implemented"]["todo"] == "add gateway.cache, 5 to 15 minutes for identical prompts"
    assert lines["Monitoring dashboards configured"]["ticked"] is None
    assert [each["scale"] for each in document["scales"]] == [1, 10, 100]


def test_what_has_no_effect_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    document = audited(capsys, BAD, "--set", "gateway.context={kind: window, turns: 4}")
    assert [each["path"] for each in document["without_effect"]] == ["gateway.context"]


@pytest.mark.slow
def test_against_an_earlier_one_it_says_what_has_moved(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    audited(capsys, BAD, "-o", str(tmp_path / "monday"))
    after = audited(capsys, BAD.replace("before", "after"), "--against", str(tmp_path / "monday"))
    assert {"mistake": "cold starts", "since": "mended"} in after["drift"]
    moved = {(row["scale"], row["figure"]) for row in after["drift"] if "figure" in row}
    assert (1, "latency_s.p50") in moved
    assert run(["audit", BAD, *FEW, "--against", str(tmp_path)]) == exit_codes.USAGE
    assert "is no audit; `tenfold audit SCENARIO -o DIR` keeps one" in capsys.readouterr().err
