"""Batches: done when their slowest call is, served when every call was, and not mentioned where calls come alone."""

import numpy as np
import pytest
from rich.console import Console

from sim.analysis.batch_latency import batches_of
from sim.analysis.metrics import measure
from sim.analysis.summary import summarize
from sim.analysis.window import Window
from sim.data.outcomes import TIMEOUT
from sim.gateway.language import load
from sim.report.terminal import print_summary
from tests.sim.synthetic_runs import rows, run_of, scenario

PLAIN = scenario()
ARRIVALS = PLAIN.workload.arrivals.model_copy(update={"batch": load("guide/agents").scenario.workload.arrivals.batch})
BURSTS = PLAIN.model_copy(update={"workload": PLAIN.workload.model_copy(update={"arrivals": ARRIVALS})})


def run(**columns):
    """Two replications of 400 batches of three calls, in any order, from 100 s on."""
    parts = []
    for replication in range(2):
        own = rows(1200, replication, **{name: np.tile(values, 400) for name, values in columns.items()})
        own["arrival_s"] = 100.0 + np.repeat(np.arange(400), 3)
        parts.append(own)
    return np.random.default_rng(3).permutation(np.concatenate(parts))


def test_a_batch_takes_as_long_as_its_slowest_call():
    found = run_of(run(latency_s=[1.0, 4.0, 2.0]), scenario=BURSTS)
    assert measure(found, "latency_s.mean").value == pytest.approx(7 / 3)
    assert measure(found, "batch_latency_s.mean") == pytest.approx((4.0, 4.0, 4.0))
    assert measure(found, "batch_latency_s.p99").value == 4.0
    assert measure(found, "batch_availability").value == 1.0
    assert Window(found).batches.number(2).tolist() == [400, 400]


def test_a_batch_with_a_call_that_was_not_served_is_not_whole_and_has_no_latency():
    requests = run(latency_s=[1.0, 4.0, 2.0])
    lost = np.flatnonzero((requests["arrival_s"] < 150) & (requests["latency_s"] == 2.0))
    requests["outcome"][lost], requests["latency_s"][lost] = TIMEOUT, 30.0
    found = run_of(requests, scenario=BURSTS)
    assert measure(found, "batch_availability").value == pytest.approx(350 / 400)
    assert measure(found, "availability").value == pytest.approx(1150 / 1200)
    assert measure(found, "batch_latency_s.p99").value == 4.0


def test_equal_moments_of_different_replications_are_different_batches_and_later_turns_none():
    replication, turn = np.array([0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 0])
    found = batches_of(replication, np.array([5.0, 5.0, 5.0, 5.0, 6.0]), turn, np.array([1.0, 2.0, 3.0, 9.0, 4.0]), np.ones(5, bool))
    assert found.replication.tolist() == [0, 1, 1]
    assert found.latency_s.tolist() == [2.0, 3.0, 4.0]
    assert len(batches_of(*(np.zeros(0, int),) * 4, np.zeros(0, bool)).latency_s) == 0


def test_figures_of_batches_are_given_only_where_calls_come_together(capsys):
    requests = run(latency_s=[1.0, 4.0, 2.0])
    for described, mentioned in ((PLAIN, False), (BURSTS, True)):
        found = run_of(requests, scenario=described)
        assert (measure(found, "batch_latency_s.p99").value is not None) == mentioned
        summary = summarize([found], "0" * 64)
        assert ("batch_latency_s" in summary["runs"][0]) == mentioned
        print_summary(summary, Console(width=200))
        assert ("batch latency P99" in capsys.readouterr().out) == mentioned


def test_budgets_can_be_set_on_batches():
    limited = BURSTS.model_copy(update={"budgets": ("batch_latency.p99 < 5s", "batch_availability > 99%", "batch_latency.mean < 3s")})
    judged = summarize([run_of(run(latency_s=[1.0, 4.0, 2.0]), scenario=limited)], "0" * 64)["runs"][0]["budgets"]
    assert [each["ok"] for each in judged] == [True, True, False]
