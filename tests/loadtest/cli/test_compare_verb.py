"""compare, from the command line: which of two scenarios is better, said with an interval, and as a gate."""

import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from loadtest.cli import exit_codes
from loadtest.cli.main import run

SCENARIO = """
tenfold: 1
name: small
seed: 3
workload:
  arrivals: {kind: poisson, rate: 20/s}
  duration: 120s
  warmup: 10s
  requests:
    - {name: job, tokens: {input: {kind: constant, value: 100}, output: {kind: constant, value: 1}}}
gateway:
  queue: {concurrency: 5, waiting: unlimited, timeout: null}
  routing: {kind: round-robin, models: [server/job]}
providers:
  server:
    models:
      job: {latency: {kind: exponential, mean: 200ms}, price: {input: 1, output: 1}}
"""
MORE_SLOTS = "gateway.queue.concurrency=6"
BUSIER = "workload.arrivals.rate=30/s"
DEARER = "providers.server.models.job.price.input=1.01"


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SCENARIO)
    return "small.yaml"


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert run(["compare", *arguments, "--json", "-q"]) == exit_codes.OK
    return json.loads(capsys.readouterr().out)


def test_more_slots_are_better_and_cost_the_same(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = document(capsys, scenario, "--with", MORE_SLOTS)
    figures = told["scales"][0]["figures"]
    latency = figures["latency_s.mean"]
    assert latency["verdict"] == "better"
    assert latency["change"]["low"] < latency["change"]["value"] < latency["change"]["high"] < 0
    assert latency["change"]["value"] == pytest.approx(latency["candidate"] - latency["baseline"])
    assert figures["cost_usd.per_request"]["verdict"] == "no difference seen"
    assert told["baseline"]["scenario_sha256"] != told["candidate"]["scenario_sha256"]


@pytest.mark.slow
def test_a_second_scenario_is_compared_with_the_first_scale_by_scale(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.yaml").write_text(SCENARIO.replace("concurrency: 5", "concurrency: 6").replace("seed: 3", "seed: 99"))
    told = document(capsys, scenario, "other.yaml", "--scale", "0.5,1")
    assert [each["scale"] for each in told["scales"]] == [0.5, 1]
    assert told["seed"] == 3, "the baseline's dice are rolled for both"
    assert told["scales"] == document(capsys, scenario, "--with", MORE_SLOTS, "--scale", "0.5,1")["scales"]


@pytest.mark.slow
def test_what_set_changes_is_changed_on_both_sides(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = document(capsys, scenario, "--set", DEARER, "--with", MORE_SLOTS)
    cost = told["scales"][0]["figures"]["cost_usd.per_request"]
    assert cost["baseline"] == cost["candidate"] > document(capsys, scenario, "--with", MORE_SLOTS)["scales"][0]["figures"][
        "cost_usd.per_request"
    ]["baseline"]  # fmt: skip


@pytest.mark.slow
def test_the_gate_fails_for_a_figure_that_got_worse_only(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", scenario, "--with", DEARER, "--fail-if-worse", "-q"]) == exit_codes.GATE
    assert "cost per request worse by" in " ".join(capsys.readouterr().out.split())
    assert run(["compare", scenario, "--with", MORE_SLOTS, "--fail-if-worse", "-q"]) == exit_codes.OK
    assert run(["compare", scenario, "--with", DEARER, "-q"]) == exit_codes.OK


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say what to compare with"),
        (("--with", MORE_SLOTS, "--replications", "1"), "--replications 2 or more"),
        (("--with", "seed=4"), "--with cannot change the seed"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    scenario: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert run(["compare", scenario, *arguments]) == exit_codes.USAGE
    assert says in capsys.readouterr().err


def test_a_figure_without_data_is_insufficient_and_says_so(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ("--set", "workload.duration=4s", "--set", "workload.warmup=1s", "--with", MORE_SLOTS)
    figures = document(capsys, scenario, *sets)["scales"][0]["figures"]
    assert figures["latency_s.p99"]["verdict"] == "insufficient"
    assert figures["latency_s.p99"]["change"] == {"value": None, "low": None, "high": None}
    assert figures["cost_usd.per_request"]["verdict"] == "no difference seen"
    assert run(["compare", scenario, *sets, "--fail-if-worse", "-q"]) == exit_codes.OK
    assert "too little data for latency P99" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_what_is_served_to_fewer_is_neither_better_nor_worse(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    full = "gateway.queue={concurrency: 4, waiting: 0}"
    figures = document(capsys, scenario, "--with", full)["scales"][0]["figures"]
    assert figures["availability"]["verdict"] == "worse"
    assert [figures[name]["verdict"] for name in ("latency_s.mean", "cost_usd.per_request")] == ["lower", "lower"]
    assert not figures["latency_s.mean"]["comparable"]
    assert run(["compare", scenario, "--with", full, "-q"]) == exit_codes.OK
    shares = f"of the 100 % / {figures['availability']['candidate'] * 100:.1f} % answered"
    assert shares in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_the_gate_leaves_it_to_availability_where_more_are_served(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    refuses, queues = "gateway.queue={concurrency: 4, waiting: 0}", "gateway.queue={concurrency: 4, waiting: unlimited, timeout: null}"
    assert run(["compare", scenario, "--set", refuses, "--with", queues, "--fail-if-worse", "-q"]) == exit_codes.OK
    said = " ".join(capsys.readouterr().out.split())
    assert "availability better by" in said
    assert "latency mean higher by" in said
    assert "worse" not in said


@pytest.mark.slow
def test_both_sides_run_in_one_engine(scenario: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """About 24,000 requests on one side and 36,000 on the other, where compiled code is worth while from 30,000."""
    monkeypatch.setattr("sim.engine.selection.LONG", 30_000)
    for arguments in (("--with", BUSIER), ("--set", BUSIER, "--with", "workload.arrivals.rate=20/s")):
        assert run(["compare", scenario, *arguments, "--json"]) == exit_codes.OK
        assert json.loads(capsys.readouterr().out)["scales"][0]["engine"] == "simpy"


@pytest.mark.slow
def test_in_eighty_columns_the_interval_stands_below_the_change(
    scenario: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.report.comparison_table.console_of", lambda file: Console(file=file, width=80, highlight=False))
    assert run(["compare", scenario, "--with", MORE_SLOTS, "-q"]) == exit_codes.OK
    lines = capsys.readouterr().out.splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("latency mean"))
    assert re.fullmatch(r" +-[\d.]+ … -[\d.]+ ms *", lines[place + 1])
    assert max(map(len, lines)) <= 80
    assert "Bonferroni: 99.17 % each" in " ".join(lines)
