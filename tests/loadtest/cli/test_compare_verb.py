"""compare, from the command line: which of two scenarios is better, said with an interval, and as a gate."""

import json
from pathlib import Path

import pytest

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
  queue: {concurrency: 5, waiting: unlimited}
  routing: {kind: round-robin, models: [server/job]}
providers:
  server:
    models:
      job: {latency: {kind: exponential, mean: 200ms}, price: {input: 1, output: 1}}
"""
MORE_SLOTS = "gateway.queue.concurrency=6"
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


def test_a_second_scenario_is_compared_with_the_first_scale_by_scale(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.yaml").write_text(SCENARIO.replace("concurrency: 5", "concurrency: 6").replace("seed: 3", "seed: 99"))
    told = document(capsys, scenario, "other.yaml", "--scale", "0.5,1")
    assert [each["scale"] for each in told["scales"]] == [0.5, 1]
    assert told["seed"] == 3, "the baseline's dice are rolled for both"
    assert told["scales"][1]["figures"] == document(capsys, scenario, "--with", MORE_SLOTS)["scales"][0]["figures"]


def test_what_set_changes_is_changed_on_both_sides(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = document(capsys, scenario, "--set", DEARER, "--with", MORE_SLOTS)
    cost = told["scales"][0]["figures"]["cost_usd.per_request"]
    assert cost["baseline"] == cost["candidate"] > document(capsys, scenario, "--with", MORE_SLOTS)["scales"][0]["figures"][
        "cost_usd.per_request"
    ]["baseline"]  # fmt: skip


def test_the_gate_fails_for_a_figure_that_got_worse_only(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", scenario, "--with", DEARER, "--fail-if-worse", "-q"]) == exit_codes.GATE
    assert "cost per request worse by" in " ".join(capsys.readouterr().out.split())
    assert run(["compare", scenario, "--with", MORE_SLOTS, "--fail-if-worse", "-q"]) == exit_codes.OK
    assert run(["compare", scenario, "--with", DEARER, "-q"]) == exit_codes.OK


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((), "say what to compare with"), (("--with", MORE_SLOTS, "--replications", "1"), "--replications 2 or more")],
)
def test_nothing_to_compare_with_is_refused(
    scenario: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert run(["compare", scenario, *arguments]) == exit_codes.USAGE
    assert says in capsys.readouterr().err
