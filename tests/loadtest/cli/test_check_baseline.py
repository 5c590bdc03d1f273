"""check against a baseline: a change is caught and named, the same again passes, and what cannot be compared is refused before it runs."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from sim.results.results import gather
from sim.results.store import write_results
from tests.sim.synthetic_runs import rows, run_of
from tests.sim.synthetic_runs import scenario as synthetic_scenario

SCENARIO = """
tenfold: 1
name: small
seed: 3
workload:
  arrivals: 20/s
  duration: 60s
  warmup: 10s
  requests: [{name: job, tokens: {input: 100, output: 1}}]
gateway: {routing: {kind: round-robin, models: [server/job]}}
providers: {server: {models: {job: {latency: {kind: lognormal, median: 200ms, p99: 800ms}, price: {input: 1, output: 1}}}}}
budgets: [latency.p99 < 60s]
"""
TAIL = "providers.server.models.job.latency.p99=840ms"
"""5 % more at the P99, and the same median."""
FEW = ("--replications", "4", "-q")


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    Path("small.yaml").write_text(SCENARIO)
    return "small.yaml"


@pytest.fixture
def baseline(scenario: str) -> str:
    assert run(["check", scenario, *FEW, "--baseline", "kept/base", "--update-baseline"]) == exit_codes.OK
    return "kept/base"


def test_the_same_again_is_not_worse_by_anything(scenario: str, baseline: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["check", scenario, *FEW, "--baseline", baseline, "--json"]) == exit_codes.OK
    (scale,) = json.loads(capsys.readouterr().out)["baseline"]["scales"]
    assert {name: (one["change"]["value"], one["verdict"]) for name, one in scale["figures"].items()} == dict.fromkeys(
        scale["figures"], (0.0, "ok")
    )


def test_a_regression_fails_and_is_said_everywhere(
    scenario: str, baseline: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "step.md")
    capsys.readouterr()
    assert run(["check", scenario, *FEW, "--baseline", baseline, "--set", TAIL, "--junit", "gate.xml"]) == exit_codes.GATE
    said = capsys.readouterr()
    assert said.out.startswith("FAIL  Worse than the baseline: latency P99 at 1x:")
    assert "::error file=small.yaml,title=Worse than the baseline::latency P99 at 1x:" in said.err
    assert "❌ regression" in Path("step.md").read_text()
    failed = [case.get("name") for case in Xml.parse("gate.xml").iter("testcase") if case.find("failure") is not None]
    assert failed == ["latency_s.p99 at 1x", "ttft_s.p99 at 1x"]


def test_a_tolerance_lets_it_pass_and_an_update_accepts_it(scenario: str, baseline: str) -> None:
    worse = ["check", scenario, *FEW, "--baseline", baseline, "--set", TAIL]
    assert run([*worse, "--tolerance", "20%"]) == exit_codes.OK
    assert run([*worse, "--update-baseline"]) == exit_codes.OK
    assert run(worse) == exit_codes.OK
    assert sorted(path.name for path in Path(baseline).iterdir()) == ["baseline.json", "scenario.yaml"]


def test_a_run_directory_is_a_baseline_too(scenario: str) -> None:
    assert run(["predict", scenario, *FEW, "--out", "kept"]) == exit_codes.OK
    assert run(["check", scenario, *FEW, "--baseline", "kept"]) == exit_codes.OK
    assert run(["check", scenario, *FEW, "--baseline", "kept", "--set", TAIL]) == exit_codes.GATE


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "workload.arrivals.rate=21/s"], "is of another scenario (baseline "),
        (["--seed", "4"], "seed differ"),
        (["--scale", "2"], "has no figures at scale 2; it has 1"),
        (["--tolerance", "latncy.p99=3%"], "did you mean 'latency.p99'?"),
        (["--tolerance", "offered_rps=3%"], "neither better high nor low"),
        (["--tolerance", "much"], "expected a share such as 2% or 0.02"),
        (["--tolerance", "queue_wait.p99=3%"], "has no queue_wait_s.p99: write it again with --update-baseline"),
        (["--replications", "1"], "one replication has no interval"),
        (["--baseline", "."], "a prediction has one baseline"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    scenario: str, baseline: str, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["check", scenario, *FEW, "--baseline", baseline, *more]) == exit_codes.USAGE
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such baseline; --update-baseline writes one there"), ("", "is damaged"), ('{"format": 9}', "of another version")],
)
def test_what_is_no_baseline_is_refused(scenario: str, content: str | None, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    if content is not None:
        Path("base").mkdir()
        Path("base/baseline.json").write_text(content)
    assert run(["check", scenario, *FEW, "--baseline", "base"]) == exit_codes.USAGE
    assert message in capsys.readouterr().err


def test_an_update_does_not_overwrite_what_is_no_baseline(scenario: str) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("years of work")
    assert run(["check", scenario, *FEW, "--baseline", "mine", "--update-baseline"]) == exit_codes.INTERNAL
    assert Path("mine/thesis.tex").read_text() == "years of work"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_five_per_cent_are_caught_in_twenty_of_twenty_seeds_and_a_hundred_identical_runs_raise_no_alarm(scenario: str) -> None:
    caught, alarms = 0, 0
    for seed in range(100):
        given = [
            "check",
            scenario,
            "--seed",
            str(seed),
            "--set",
            "workload.duration=20s",
            "-q",
            "--workers",
            "1",
            "--baseline",
            f"b/{seed}",
        ]
        assert run([*given, "--update-baseline"]) == exit_codes.OK
        alarms += run(given) != exit_codes.OK
        if seed < 20:
            caught += run([*given, "--set", TAIL]) == exit_codes.GATE
    assert (caught, alarms) == (20, 0)


# ---- measured runs ----------------------------------------------------------------------------------------------------
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def measured(place: str, minute: int, latency_s: float, luck: int, verdict: str = "pass", **changes: object) -> str:
    """A run directory of a measurement made at that minute, whose latencies are around ``latency_s``."""
    latencies = latency_s * np.random.default_rng(luck).uniform(0.995, 1.005, 600)
    plan = synthetic_scenario(faults=[], budgets=["latency.p99 < 8s"], **changes)
    made = run_of(rows(600, latency_s=latencies, ttft_s=latencies / 2, cost_usd=0.001), kind="measurement", scenario=plan)
    results = gather([made], "ab" * 32, plan_text(plan), now=NOON + timedelta(minutes=minute), argv=["test"])
    results.summary["verify"] = {"verdict": verdict, "why_invalid": ["the generator was late"] if verdict == "invalid" else []}
    write_results(results, Path(place))
    return place


def plan_text(plan: object) -> str:
    from sim.scenario.load import canonical, to_yaml

    return to_yaml(canonical(plan))  # type: ignore[arg-type]


def turns(candidate_s: float, pairs: int = 5) -> list[str]:
    """The command line over runs that took turns."""
    sides = [
        [measured(f"{name}-{pair}", 2 * pair + place, level, 10 * pair + place) for pair in range(pairs)]
        for place, (name, level) in enumerate([("old", 1.0), ("new", candidate_s)])
    ]
    return ["check", "--measured", *sides[1], "--baseline", *sides[0], "-q"]


@pytest.mark.parametrize(
    ("candidate_s", "code"), [(1.0, exit_codes.OK), (1.03, exit_codes.OK), (1.2, exit_codes.GATE), (0.8, exit_codes.OK)]
)
def test_measured_runs_fail_only_beyond_the_tolerance(scenario: str, candidate_s: float, code: int) -> None:
    assert run(turns(candidate_s)) == code


def test_four_pairs_say_nothing(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(turns(1.2, pairs=4)) == exit_codes.OK
    assert "Too little data for" in capsys.readouterr().out


def test_runs_that_did_not_take_turns_are_refused(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    old = [measured(f"old-{pair}", pair, 1.0, pair) for pair in range(5)]
    new = [measured(f"new-{pair}", 5 + pair, 1.0, pair) for pair in range(5)]
    assert run(["check", "--measured", *new, "--baseline", *old]) == exit_codes.USAGE
    assert "did not take turns" in capsys.readouterr().err
    assert run(["check", "--measured", *new, "--baseline", *old[:4]]) == exit_codes.USAGE
    assert "expected as many runs on both sides" in capsys.readouterr().err


def test_runs_of_other_traffic_are_refused_with_both_hashes(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = measured("old", 0, 1.0, 1), measured("new", 1, 1.0, 1, seed=8)
    assert run(["check", "--measured", new, "--baseline", old]) == exit_codes.USAGE
    assert "the runs are of different scenarios (old abababababab, new abababababab): seed differ" in capsys.readouterr().err


def test_an_invalid_measurement_is_neither_a_pass_nor_a_failure(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--measured", measured("new", 1, 1.0, 1, verdict="invalid")]) == exit_codes.INVALID
    assert "measurement invalid: new: the generator was late" in capsys.readouterr().err


def test_measured_runs_are_held_to_their_budgets(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--measured", measured("good", 0, 1.0, 1), measured("too", 1, 1.0, 2)]) == exit_codes.OK
    assert run(["check", "--measured", measured("slow", 2, 9.0, 1)]) == exit_codes.GATE
    assert run(["check", "small.yaml", "--measured", "good"]) == exit_codes.USAGE
    assert run(["check"]) == exit_codes.USAGE
    assert "Missing argument 'SCENARIO', or --measured DIR." in capsys.readouterr().err
