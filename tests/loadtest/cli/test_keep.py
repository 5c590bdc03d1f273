"""predict says, in its last lines, when it has not kept every row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from sim.results import store


@pytest.mark.parametrize("kept", ["some", "all"])
@pytest.mark.parametrize("as_json", [True, False])
def test_predict_says_it(
    kept: str, as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_ROWS", 1000)
    scenario = Path(__file__).parents[2] / "sim" / "scenario" / "valid.yaml"
    place = tmp_path / "kept"
    arguments = ["predict", str(scenario), "--replications", "2", "--set", "workload.duration=60s", "--set", "workload.warmup=0s"]
    more = ["--set", "workload.arrivals={kind: poisson, rate: 12/s}", "--set", "faults=[]", "--out", str(place), "--keep", kept]
    assert run([*arguments, *more, *(["--json"] if as_json else [])]) == exit_codes.OK
    said = capsys.readouterr()
    words = "are those of the first replication of 2"
    assert (words in " ".join((said.err if as_json else said.out).split())) == (kept == "some")
    assert ("rows_kept" in json.loads((place / "summary.json").read_text())["runs"][0]) == (kept == "some")
    if as_json:
        assert json.loads(said.out) == json.loads((place / "summary.json").read_text())
