"""chaos, from the command line: the answer first, suggestions that were tested, and exit codes."""

import json

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from sim.analysis.recovery import time_to_recover
from sim.engine.runner import predict
from sim.gateway.language import load

SHORT = ["--set", "workload.duration=100s", "--replications", "1", "-q"]
BUDGET = "workload.client.retries.budget=0.2"
CANCEL = "gateway.cancel_on_disconnect=true"


def recovers(rate, *changes, duration="4m"):
    scenario = load("chaos/retry_storm", [f"workload.arrivals.rate={rate}/s", f"workload.duration={duration}", *changes]).scenario
    return time_to_recover(predict(scenario, replications=1)).recovered


def test_a_retry_storm_at_a_rate_that_retries_cannot_sustain_recovers_and_at_a_higher_one_does_not():
    assert recovers(25, duration="2m")
    assert not recovers(50, duration="2m")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "changes", "expected"),
    [
        (25, [], True), (30, [], True), (50, [], False), (70, [], False), (70, [BUDGET], True), (90, [BUDGET], False),
        (50, [CANCEL], True), (70, [CANCEL], True),
    ],
)  # fmt: skip
def test_the_published_thresholds_of_the_retry_storm(rate, changes, expected):
    assert recovers(rate, *changes) == expected


@pytest.mark.slow
def test_what_does_not_recover_comes_with_changes_that_were_tested(capsys):
    assert run(["chaos", "retry_storm", "--json", *SHORT]) == exit_codes.OK
    document = json.loads(capsys.readouterr().out)
    assert (document["recovered"], document["recovery_time_s"], document["verdict"]) == (False, None, "pass")
    assert document["phases"]["after"]["availability"]["value"] == 0
    assert document["blast_radius"]["value"] == 1.0
    tested = {tuple(one["overrides"]): one["recovered"] for one in document["suggestions"]}
    assert tested[(CANCEL,)]
    assert tested[(BUDGET,)]
    assert document["suggestions"][0]["recovered"]


def test_the_first_line_is_the_answer(capsys):
    assert run(["chaos", "reconnect-herd", "--replications", "1", "-q"]) == exit_codes.OK
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("PASS  reconnect-herd recovers ")
    assert first.endswith("all 5 assertions hold")


def test_an_assertion_that_does_not_hold_is_exit_code_3(capsys):
    change = "assertions=[sometimes canned]"
    assert run(["chaos", "reconnect_herd", "--set", change, "--replications", "1", "-q"]) == exit_codes.GATE
    assert "does not hold: sometimes canned" in capsys.readouterr().out


def test_faults_are_laid_over_a_scenario_of_ones_own(capsys):
    assert run(["chaos", "correlated_providers", "--on", "launch", "--json", "--replications", "1", "-q"]) == exit_codes.OK
    document = json.loads(capsys.readouterr().out)
    assert document["scenario"] == "support-agent-launch"
    assert document["phases"]["during"]["availability"]["value"] < 0.6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["provider_blakout"], "did you mean 'provider_blackout'?"),
        (["nothing-like-it"], "the library has"),
        (["cache_flush_herd", "--on", "launch"], "its trigger is its own traffic or limits; run it without --on"),
        (["retry_storm", "--set", "assertions=[sometimes brekaer opens]"], "did you mean 'breaker'?"),
    ],
)
def test_wrong_use_is_refused_before_anything_runs(arguments, said, capsys):
    assert run(["chaos", *arguments]) == exit_codes.USAGE
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_every_scenario_of_the_library_holds_its_assertions_and_breaks_its_budgets_only_where_it_says_so(capsys):
    assert run(["chaos", "all", "--json", "-q"]) == exit_codes.OK
    documents = json.loads(capsys.readouterr().out)["runs"]
    for document in documents:
        breaks = any(budget["ok"] is False for budget in document["budgets"])
        assert (document["expected"] == "fails") == breaks, document["scenario"]
        assert document["assertions"], document["scenario"]
