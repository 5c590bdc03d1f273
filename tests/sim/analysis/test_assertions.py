"""Assertions are judged from rows and events; recovery is for good, or it is none."""

from dataclasses import replace

import numpy as np
import pytest

from sim.analysis.assertions import observe
from sim.analysis.budgets import judge
from sim.analysis.recovery import time_to_recover
from sim.analysis.summary import summarize
from sim.data.outcomes import ERROR, OK, TIMEOUT
from sim.gateway.stages.rate_limit import ALL_REQUESTS
from sim.kernel.refusals import NAMES
from sim.report.ci import gate_holds, junit_xml
from sim.report.verdicts import verdict
from tests.sim.synthetic_runs import rows, run_of, scenario

FAULT_END_S = 390.0  # of an outage of 90 s from 300 s on, in ten minutes


def run_with(outcome, assertions=(), per_second=20, **changes):
    """A run at a constant rate; ``outcome`` says how a request that arrives at a time ends."""
    arrival_s = np.arange(0, 600, 1 / per_second)
    made = rows(len(arrival_s), arrival_s=arrival_s, outcome=outcome(arrival_s), kind=0)
    plain = scenario(assertions=tuple(assertions), budgets=changes.pop("budgets", ()), expected=changes.pop("expected", None))
    return run_of(made, scenario=plain, **changes)


def failing(*spans):
    return lambda at_s: np.where(np.logical_or.reduce([(at_s >= start) & (at_s < end) for start, end in spans]), ERROR, OK)


def test_what_recovers_at_once_has_a_time_of_zero():
    assert time_to_recover(run_with(failing((300, 390)))).time_s == 0.0


@pytest.mark.parametrize("until_s", [400.0, 437.0, 520.0])
def test_the_time_to_recover_is_that_at_which_failures_stop(until_s):
    found = time_to_recover(run_with(failing((300, until_s))))
    assert found.time_s == pytest.approx(until_s - FAULT_END_S, abs=found.window_s)


def test_a_relapse_counts():
    assert time_to_recover(run_with(failing((300, 391), (470, 480)))).time_s == pytest.approx(480 - FAULT_END_S, abs=5)


def test_what_was_never_well_has_nothing_to_recover_to():
    barely = run_with(lambda at_s: np.where(at_s % 5 < 0.05, OK, ERROR), budgets=("recovery_time < 2m @outage",))
    assert time_to_recover(barely).recovered is None
    (judged,) = judge(barely)
    assert judged.verdict == "insufficient"
    assert "only 1.1% were answered before" in judged.why


def test_what_is_still_down_at_the_end_has_not_recovered():
    found = time_to_recover(run_with(failing((300, 600))))
    assert (found.recovered, found.time_s) == (False, None)


def test_without_requests_before_nothing_is_said():
    assert time_to_recover(run_with(failing((0, 1)), per_second=0.001)).recovered is None


def test_failures_as_rare_as_before_are_chance():
    draws = np.random.default_rng(1).random(12_000) < 0.02
    assert time_to_recover(run_with(lambda at_s: np.where(draws, ERROR, OK))).time_s == 0.0


def verdicts(run):
    return [observation.verdict for observation in observe(run)]


def test_figures_of_phases_are_held_to_their_limits():
    asked = [
        "availability > 99% @before",
        "availability < 1% @during:outage",
        "availability > 99% @during",
        "error_rate.error > 5x @during",
    ]
    outcome = failing((100, 102), (300, 390))
    assert verdicts(run_with(outcome, asked)) == ["ok", "ok", "broken", "ok"]


def test_recovery_within_a_time():
    outcome = failing((300, 410))
    asked = ["recovery_time < 30s @outage", "recovery_time < 10s", "recovery_time > 10s"]
    assert verdicts(run_with(outcome, asked)) == ["ok", "broken", "ok"]
    never = observe(run_with(failing((300, 600)), asked))[0]
    assert never.verdict == "broken"
    assert "not recovered" in never.says


def test_what_is_seen_at_least_once_or_not_at_all():
    asked = [
        "sometimes error", "never error @before", "sometimes timeout", "never timeout", "sometimes retries",
        'sometimes refused_by "global requests limit"',
    ]  # fmt: skip
    code_name = NAMES[ALL_REQUESTS]
    asked[-1] = f'sometimes refused_by "{code_name}"'
    run = run_with(failing((300, 310)), asked)
    assert verdicts(run) == ["ok", "ok", "broken", "ok", "broken", "broken"]
    made = run.requests.copy()
    made["refused_by"][5000], made["attempts"][5000], made["outcome"][5000] = ALL_REQUESTS, 2, TIMEOUT
    changed = replace(run, requests=made, refusals={ALL_REQUESTS: code_name})
    assert verdicts(changed) == ["ok", "ok", "ok", "broken", "ok", "ok"]


def test_breakers_are_seen_in_the_events():
    run = run_with(failing((300, 310)), ["sometimes breaker opens @during", "sometimes breaker closes"])
    assert verdicts(run) == ["broken", "broken"]
    opened = {"at_s": 310.0, "replication": 0, "event": "breaker", "target": "openai/gpt-4o", "state": "open"}
    assert verdicts(replace(run, events=[opened])) == ["ok", "broken"]


def summary_of(run):
    return summarize([run], "0" * 64)


def test_what_was_not_observed_fails_the_gate_and_is_said_first():
    summary = summary_of(run_with(failing((300, 310)), ["sometimes error", "sometimes timeout"]))
    assert not gate_holds(summary)
    assert verdict(summary)[1].startswith("At 1x does not hold: sometimes timeout (never seen)")
    assert junit_xml(summary).count("<failure") == 1
    assert gate_holds(summary_of(run_with(failing((300, 310)), ["sometimes error"])))


def test_a_scenario_that_is_meant_to_break_its_budgets_passes_when_it_does():
    down, fine = failing((300, 390)), failing((0, 1))
    budget = ("availability > 99% @during",)
    broken, held = (summary_of(run_with(outcome, budgets=budget, expected="fails")) for outcome in (down, fine))
    assert gate_holds(broken)
    assert "<failure" not in junit_xml(broken)
    assert verdict(broken)[1].startswith("As expected: ")
    assert not gate_holds(held)
    assert verdict(held)[1] == "Expected to break a budget, and broke none at 1x."
