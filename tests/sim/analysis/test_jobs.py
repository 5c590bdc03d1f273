"""Figures of jobs: clients wait for the acceptance; the time to the answer is a figure of its own, and a budget may be about it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from sim.analysis.bottleneck import bottleneck
from sim.analysis.latency_breakdown import where_time_went
from sim.analysis.metrics import measure
from sim.analysis.summary import summarize
from sim.analysis.window import Window
from sim.engine.runner import predict
from sim.gateway.language import load

SCENARIO = "validation/stages/jobs"


@cache
def predicted(scale=1.0, *changes):
    return predict(load(SCENARIO, ["workload.duration=3m", *changes]).scenario, scale, replications=2, engine="simpy")


def test_latency_is_what_clients_wait_for_and_job_s_the_time_to_the_answer():
    run = predicted()
    rows = run.counted
    jobs = rows[(rows["outcome"] == 0) & (rows["kind"] == 1)]
    assert measure(run, "job_s.p99").value == pytest.approx(np.quantile(jobs["latency_s"], 0.99))
    questions = rows[rows["kind"] == 0]["latency_s"]
    assert measure(run, "latency_s.p99").value < np.quantile(questions, 0.995) < measure(run, "job_s.p50").value
    report, faq = Window(run, classes=(1,)), Window(run, classes=(0,))
    assert (report["latency_s"][report.available] == 0.0).all()
    assert (measure(report, "ttft_s.p99").value, measure(faq, "job_s.mean").value) == (0.0, None)
    assert measure(report, "added_latency_s.p99").value == 0.0
    assert where_time_went(report)["waiting for a worker"] > 1.0


def test_a_budget_may_be_about_jobs():
    loaded = load(SCENARIO, ["workload.duration=3m", "budgets=[job.p99 < 100s, job.p50 < 0.1s]"])
    verdicts = summarize([predict(loaded.scenario, replications=2, engine="simpy")], loaded.sha256)["runs"][0]["budgets"]
    assert [each["ok"] for each in verdicts] == [True, False]


def test_the_lane_that_is_short_of_workers_is_named():
    assert bottleneck(predicted(1.3, "gateway.jobs.long.workers=20"))["limit"] == "the workers for jobs"
    found = bottleneck(predicted(1.3, "gateway.jobs.workers=20"))
    assert (found["limit"], found["capacity"]) == ("the workers for long jobs", 2)
    assert found["load"] > 1.0
