"""plan, from the command line: the answer in one sentence, and what reproduces it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from tests.sim.whatif.documents import SCENARIO

QUEUE = "gateway.queue.concurrency"
NARROW = SCENARIO.replace("concurrency: 64, waiting: 0", "concurrency: 8, waiting: unlimited")
FEW = ["--replications", "3", "--workers", "1", "-q"]


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(NARROW)
    return "small.yaml"


def planned(scenario: str, capsys: pytest.CaptureFixture[str], *more: str, code: int = exit_codes.OK) -> dict:
    assert run(["plan", scenario, *FEW, "--json", *more]) == code
    said = capsys.readouterr()
    assert said.err == ""
    document: dict = json.loads(said.out)
    return document


def test_the_largest_scale_what_binds_there_and_what_to_raise(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", scenario, *FEW, "-o", "kept"]) == exit_codes.OK
    first = capsys.readouterr().out.splitlines()[0]
    pattern = (
        r"Holds up to [\d.]+x \([\d.]+ … [\d.]+\): at [\d.]+x latency\.p99 < 2s breaks \([\d.]+ s\); the gateway's concurrency .*; "
        r"raise gateway\.queue\.concurrency first: at 16 instead of 8 every budget holds at [\d.]+x\."
    )
    assert re.fullmatch(pattern, first)
    assert {file.name for file in Path("kept").iterdir()} >= {"plan.json", "scales.svg", "scales.png", "manifest.json", "scenario.yaml"}


@pytest.mark.slow
def test_predict_confirms_it_just_below_and_just_above(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = planned(scenario, capsys, "--set", "providers.server.models.job.latency.mean=150ms")
    assert document["largest_scale"]["low"] <= document["largest_scale"]["value"] < document["largest_scale"]["high"]
    verdicts = []
    for command in document["commands"]:
        assert run([*shlex.split(command)[1:], "--json", "-q"]) == exit_codes.OK
        (predicted,) = json.loads(capsys.readouterr().out)["runs"]
        verdicts.append(predicted["budgets"])
    assert [each["ok"] for budgets in verdicts for each in budgets] == [True, False]
    assert verdicts == [document["below"]["budgets"], document["above"]["budgets"]]


@pytest.mark.slow
def test_money_aside_it_bears_more(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(scenario).write_text(NARROW.replace("latency.p99 < 2s", "latency.p99 < 2s, cost.month < 7000 USD"))
    document = planned(scenario, capsys)
    assert document["breaks"] == ["cost.month < 7000 USD"]
    assert document["raised"] == []
    assert document["leaving_money_aside"]["breaks"] == ["latency.p99 < 2s"]
    assert document["leaving_money_aside"]["largest_scale"]["value"] > document["largest_scale"]["value"]
    assert "no limit binds but the money" in document["answer"]
    assert "Leaving money aside: holds up to" in document["answer"]


def test_a_scenario_that_breaks_at_1x_fails_the_gate(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = planned(scenario, capsys, "--set", f"{QUEUE}=3", code=exit_codes.GATE)
    assert document["largest_scale"]["value"] < 1


def test_what_holds_at_the_largest_scale_to_try_says_so(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = planned(scenario, capsys, "--max-scale", "1.2")
    assert document["answer"].startswith("Holds up to 1.2x, the most that was tried: ")
    assert document["first_broken_scale"] is None


def test_the_cheapest_configuration_and_how_to_predict_it_again(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    knobs = ["--minimise", "cost", "--scale", "3", "--knob", f"{QUEUE}=8,16,32", "--knob", "gateway.queue.waiting=0,100", "-o", "kept"]
    document = planned(scenario, capsys, *knobs)
    best = document["configurations"][document["best"]]
    assert document["method"] == "all 6 combinations"
    assert best["holds"]
    assert best["settings"] == {QUEUE: "8", "gateway.queue.waiting": "0"}
    assert "which breaks latency.p99 < 2s" in document["answer"]
    assert document["best"] in document["tradeoff"]
    assert Path("kept/pareto.svg").is_file()
    assert run([*shlex.split(document["command"])[1:], "--json", "-q"]) == exit_codes.OK
    (predicted,) = json.loads(capsys.readouterr().out)["runs"]
    assert predicted["cost_usd"]["per_month"]["value"] == best["figures"]["cost_usd.per_month"]["value"]
    assert run(["plan", scenario, *FEW, *knobs]) == exit_codes.OK  # all of it kept
    assert capsys.readouterr().out.startswith(
        "Lowest cost per month within all budgets: gateway.queue.concurrency=8 gateway.queue.waiting=0: $"
    )


def test_if_no_configuration_holds_the_gate_fails(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = planned(scenario, capsys, "--minimise", "cost", "--scale", "9", "--knob", f"{QUEUE}=8,9", code=exit_codes.GATE)
    assert document["answer"].startswith("Nothing tried holds every budget (all 2 combinations); the closest is")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--knob", f"{QUEUE}=1,2"], "--knob and --scale go with --minimise cost"),
        (["--minimise", "cost"], "--minimise needs to know what may be changed"),
        (["--minimise", "price", "--knob", f"{QUEUE}=1,2"], "there is no metric 'price'"),
        (["--minimise", "cost", "--knob", "gateway.queue.concurency=1..20"], "did you mean 'concurrency'?"),
        (["--minimise", "cost", "--knob", f"{QUEUE}=1..20", "--scale", "-1"], "expected positive finite numbers"),
        (["--set", "budgets=[]"], "states no budgets"),
        (["-o", "."], ". exists already and holds no plan"),
    ],
)
def test_wrong_use_is_refused_before_anything_runs(
    scenario: str, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert run(["plan", scenario, *arguments]) == exit_codes.USAGE
    said = capsys.readouterr()
    assert says in said.err
    assert said.out == ""
    assert [file.name for file in Path().iterdir()] == ["small.yaml"]
