"""predict, check and report, from the command line: documents on stdout, run directories, exit codes."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run

SCENARIO = """
tenfold: 1
name: small
seed: 3
workload:
  arrivals: {kind: poisson, rate: 20/s}
  duration: 60s
  warmup: 10s
  requests:
    - {name: job, tokens: {input: {kind: constant, value: 100}, output: {kind: constant, value: 1}}}
gateway:
  queue: {concurrency: 8, waiting: unlimited, timeout: null}
  routing: {kind: round-robin, models: [server/job]}
providers:
  server:
    models:
      job: {latency: {kind: exponential, mean: 200ms}, price: {input: 1, output: 1}}
budgets: [latency.p99 < 60s, availability > 99%]
"""
BROKEN = "latency.p99 < 1ms"


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    return path


def test_predict_prints_one_json_document_and_keeps_nothing(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", str(scenario), "--scale", "1,2", "--replications", "3", "--json"]) == exit_codes.OK
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert [entry["scale"] for entry in document["runs"]] == [1, 2]
    assert document["runs"][0]["replications"] == 3
    assert said.err == ""
    assert list(scenario.parent.iterdir()) == [scenario]


def test_predict_prints_a_table_and_keeps_the_run_under_results(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", str(scenario), "--replications", "2"]) == exit_codes.OK
    out = capsys.readouterr().out
    assert out.startswith("PASS  Every budget holds at 1x.")
    found = re.search(r"^report: (results/small-prediction-\d{8}T\d{6}Z/report\.html)$", out, re.MULTILINE)
    assert found is not None
    assert Path(found[1]).is_file()


def test_the_same_seed_predicts_the_same_and_another_does_not(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = []
    for seed in ("5", "5", "6"):
        run(["predict", str(scenario), "--replications", "2", "--seed", seed, "--json"])
        figures.append(json.loads(capsys.readouterr().out)["runs"][0]["latency_s"])
    assert figures[0] == figures[1] != figures[2]


def test_an_override_is_predicted_and_recorded(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["predict", str(scenario), "--replications", "1", "--set", "gateway.queue.concurrency=5", "--out", "kept", "--json"]
    assert run(arguments) == exit_codes.OK
    assert "concurrency: 5" in Path("kept/scenario.yaml").read_text()
    assert json.loads(Path("kept/summary.json").read_text()) == json.loads(capsys.readouterr().out)


def test_a_directory_that_is_taken_is_refused_before_predicting(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("kept").mkdir()
    Path("kept/mine.txt").write_text("precious")
    assert run(["predict", str(scenario), "--out", "kept"]) == exit_codes.USAGE
    assert "kept exists already; give a new directory, or remove it first" in capsys.readouterr().err
    assert [file.name for file in Path("kept").iterdir()] == ["mine.txt"]


def test_a_scenario_that_is_not_there_is_named(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "nowhere.yaml", "--json"]) == exit_codes.USAGE
    said = capsys.readouterr()
    assert "nowhere.yaml" in said.err
    assert said.out == ""


@pytest.mark.slow
def test_ctrl_c_ends_a_prediction_at_once_and_leaves_nothing(scenario: Path) -> None:
    words = ["predict", str(scenario), "--scale", "500", "--engine", "simpy", "--out", "kept"]
    arguments = [sys.executable, "-m", "loadtest.cli.main", *words]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True)
    time.sleep(4)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err.split()[-1]) == (exit_codes.INTERRUPTED, "", "interrupted")
    assert list(scenario.parent.iterdir()) == [scenario]


def test_check_passes_when_every_budget_holds(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(scenario), "--replications", "2"]) == exit_codes.OK
    assert capsys.readouterr().out.startswith("PASS  Every budget holds at 1x.")


def test_check_fails_on_a_broken_budget_and_says_so_to_ci(scenario: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "steps.md")
    Path("steps.md").write_text("earlier\n")
    scenario.write_text(SCENARIO.replace("latency.p99 < 60s", BROKEN))
    assert run(["check", str(scenario), "--replications", "2", "--junit", "ci/budgets.xml", "--markdown", "budgets.md"]) == exit_codes.GATE
    (suite,) = Xml.fromstring(Path("ci/budgets.xml").read_text())
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert "❌" in Path("budgets.md").read_text()
    assert Path("steps.md").read_text() == "earlier\n" + Path("budgets.md").read_text()


def test_check_does_not_pass_what_the_samples_cannot_say(scenario: Path) -> None:
    arguments = ["check", str(scenario), "--replications", "1", "--set", "workload.duration=12s", "--set", "workload.warmup=10s"]
    assert run(arguments) == exit_codes.GATE


def test_check_without_budgets_is_a_mistake(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario.write_text(re.sub("budgets:.*", "", SCENARIO))
    assert run(["check", str(scenario)]) == exit_codes.USAGE
    assert "states no budgets" in capsys.readouterr().err


def test_report_is_written_anew_from_a_run_directory(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["predict", str(scenario), "--replications", "2", "--out", "kept", "--json"])
    capsys.readouterr()
    first = Path("kept/report.html").read_text()
    Path("kept/report.html").unlink()
    assert run(["report", "kept"]) == exit_codes.OK
    assert capsys.readouterr().out == "kept/report.html\n"
    assert Path("kept/report.html").read_text() == first
    assert run(["report", "kept", "--out", "elsewhere/page.html"]) == exit_codes.OK
    assert Path("elsewhere/page.html").read_text() == first


def test_report_of_something_else_says_what_is_wrong(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "."]) == exit_codes.USAGE
    assert "is not a run directory: it has no manifest.json" in capsys.readouterr().err
