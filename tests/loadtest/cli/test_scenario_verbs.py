"""``init``, ``scenarios``, ``schema`` and ``explain``."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.init import STARTERS
from loadtest.cli.main import run
from sim.analysis.metrics import measure
from sim.analysis.window import Window
from sim.engine.runner import predict
from sim.gateway.language import load
from sim.scenario.shipped import shipped_folder, shipped_names


# ---- init ----------------------------------------------------------------------------------------------------------------
def test_init_writes_a_scenario_that_loads_under_its_own_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "support agent.yaml"
    assert run(["init", str(path)]) == exit_codes.OK
    loaded = load(path)
    assert loaded.scenario.name == "support-agent"
    assert loaded.scenario.gateway == load("starter").scenario.gateway
    assert capsys.readouterr().out == ""


def test_init_names_a_schema_that_is_there(tmp_path: Path) -> None:
    run(["init", str(tmp_path / "a.yaml")])
    first = (tmp_path / "a.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={(shipped_folder() / 'tenfold.schema.json').as_uri()}"


def test_every_option_in_the_starter_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    run(["init", str(path)])
    lines = path.read_text().splitlines()
    options = [index for index, line in enumerate(lines) if "#? " in line]
    assert len(options) >= 4
    for index in options:
        indent, _, text = lines[index].partition("#? ")
        lines[index] = indent + text
    lines.remove("  arrivals: {kind: poisson, rate: 2/s}          # calls at 1x; --scale multiplies it")
    path.write_text("\n".join(lines))
    scenario = load(path).scenario
    assert scenario.gateway.breaker is not None
    assert len(scenario.faults) == 1


def test_the_starter_can_be_predicted_and_verified() -> None:
    """What costs nothing in the model costs milliseconds in reality; and a median of cache hits alone tells a beginner nothing."""
    loaded = load("starter")
    assert loaded.scenario.gateway.cpu_per_request is not None
    run = predict(loaded.scenario, replications=1)
    median_s = measure(Window(run), "latency_s.p50").value
    assert median_s is not None
    assert 0.2 < median_s < 10


@pytest.mark.parametrize("starter", STARTERS)
def test_init_from_a_starter_loads_without_a_warning_and_can_be_predicted(starter: str, tmp_path: Path) -> None:
    path = tmp_path / "my own.yaml"
    assert run(["init", str(path), "--from", starter]) == exit_codes.OK
    loaded = load(path, ["workload.duration=90s", "workload.warmup=10s"])
    assert loaded.scenario.name == "my-own"
    assert loaded.warnings == ()
    found = measure(Window(predict(loaded.scenario, replications=1)), "availability").value
    assert found is not None
    assert found > 0.95


@pytest.mark.parametrize("starter", STARTERS)
def test_a_starters_options_can_be_used_and_its_numbers_say_where_they_come_from(starter: str) -> None:
    text = (shipped_folder() / "starters" / f"{starter}.yaml").read_text()
    assert text.count("[assumed]") > 3
    assert "hosted.yaml" in text
    assert "trace" in text or starter == "agent"
    with_options = text.replace("#? ", "")
    assert "faults:" in with_options
    assert len(load_text(with_options).faults) == 1


def load_text(text: str) -> Any:
    with NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        return load(file.name).scenario


def test_init_knows_its_starters(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--from", "website"]) == exit_codes.USAGE
    assert "'chat', 'agent', 'rag', 'batch'" in capsys.readouterr().err


def test_init_does_not_overwrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("mine")
    assert run(["init", str(path)]) == exit_codes.USAGE
    assert path.read_text() == "mine"
    assert "--force overwrites it" in capsys.readouterr().err
    assert run(["init", str(path), "--force"]) == exit_codes.OK
    assert load(path).scenario.name == "a"


def test_init_says_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path / "no" / "a.yaml")]) == exit_codes.USAGE
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


# ---- scenarios -----------------------------------------------------------------------------------------------------------
def test_scenarios_lists_all_with_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenarios"]) == exit_codes.OK
    shown = capsys.readouterr().out
    assert all(name in shown for name in shipped_names())
    assert "M/M/1 at utilisation 0.8" in " ".join(shown.split())


def test_scenarios_as_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenarios", "--json"]) == exit_codes.OK
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    assert [row["name"] for row in document["scenarios"]] == shipped_names()
    for row in document["scenarios"]:
        assert row["description"]
        assert load(row["path"]).sha256 == row["sha256"]


# ---- schema --------------------------------------------------------------------------------------------------------------
def test_schema_prints_the_schema_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == exit_codes.OK
    assert capsys.readouterr().out == (shipped_folder() / "tenfold.schema.json").read_text(encoding="utf-8")


# ---- explain -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "says"), [("latency.p99", "budgets: ['latency.p99 < 8s']"), ("availability", "better when higher")])
def test_explain_knows_the_figures_of_budgets(name: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", name]) == exit_codes.OK
    assert says in capsys.readouterr().out


def test_explain_tells_and_an_unknown_path_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "gateway.retry.backoff"]) == exit_codes.OK
    assert "pauses between attempts" in capsys.readouterr().out
    assert run(["explain", "gateway.retry.max_attempts"]) == exit_codes.USAGE
    told = capsys.readouterr()
    assert told.out == ""
    assert "gateway.retry has no 'max_attempts'; did you mean 'attempts'?" in told.err
    assert run(["explain", ""]) == exit_codes.OK
    assert "workload: who asks what" in capsys.readouterr().out
