"""predict says the same of a run that memory should not hold, and leaves nothing beside its run directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from sim.data import spill
from sim.data.spill import VARIABLE

SCENARIO = Path(__file__).parents[2] / "sim" / "scenario" / "valid.yaml"
ARGUMENTS = [
    "predict", str(SCENARIO), "--replications", "2", "--set", "workload.duration=60s", "--set", "workload.warmup=0s",
    "--set", "workload.arrivals={kind: poisson, rate: 12/s}", "--set", "faults=[]",
]  # fmt: skip


def test_a_spilled_run_is_kept_whole_and_its_summary_is_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said, folders = [], []
    make = spill.make_work_folder
    monkeypatch.setattr(spill, "make_work_folder", lambda *where: folders.append(made := make(*where)) or made)
    for most in ("100000", "100"):
        monkeypatch.setenv(VARIABLE, most)
        assert run([*ARGUMENTS, "--keep", "all", "--json", "--out", str(tmp_path / most)]) == exit_codes.OK
        said.append(json.loads(capsys.readouterr().out))
        assert said[-1]["runs"][0].pop("wall_s") > 0
    assert said[0] == said[1]
    assert [folder.parent for folder in folders] == [tmp_path]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["100", "100000"]
    assert (tmp_path / "100" / "requests.parquet").read_bytes() == (tmp_path / "100000" / "requests.parquet").read_bytes()


def test_a_limit_of_memory_that_is_no_number_is_wrong_use(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "plenty")
    assert run([*ARGUMENTS, "--json"]) == exit_codes.USAGE
    assert f"expected a whole number of requests in {VARIABLE}, found 'plenty'" in capsys.readouterr().err
