"""report --format and compare --report, from the command line."""

import json
from pathlib import Path

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from tests.loadtest.cli.test_prediction_verbs import SCENARIO


def test_an_exported_run_compares_with_its_own_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SCENARIO)
    assert run(["predict", "small.yaml", "--scale", "1,2", "--replications", "2", "--out", "kept", "-q"]) == exit_codes.OK
    for form in ("locust", "k6", "hdr"):
        assert run(["report", "kept", "--format", form]) == exit_codes.USAGE
        assert "say which with --scale, one of 1, 2" in capsys.readouterr().err
        assert run(["report", "kept", "--format", form, "--scale", "2", "-o", f"out.{form}"]) == exit_codes.OK
    capsys.readouterr()
    assert run(["compare", "small.yaml", "--scale", "2", "--replications", "2", "--report", "out.k6", "--json", "-q"]) == exit_codes.OK
    document = json.loads(capsys.readouterr().out)
    assert document["tool"] == "k6"
    assert abs(document["comparison"]["latency_s.p50"]["error"]) < 1e-6
    assert run(["compare", "small.yaml", "--scale", "2", "--replications", "2", "--report", "out.locust", "-q"]) == exit_codes.OK
    assert "measured by Locust" in capsys.readouterr().out


@pytest.mark.parametrize("more", [["--with", "seed=2"], ["small.yaml"], ["--scale", "1,2"], ["--fail-if-worse"]])
def test_one_prediction_stands_beside_one_report(
    more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SCENARIO)
    assert run(["compare", "small.yaml", *more, "--report", "nowhere.json"]) == exit_codes.USAGE
    assert "--report sets one prediction beside one measurement" in capsys.readouterr().err
    assert run(["compare", "small.yaml", "--report", "nowhere.json"]) == exit_codes.USAGE
    assert "nowhere.json cannot be read" in capsys.readouterr().err
