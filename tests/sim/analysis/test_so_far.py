"""Figures of a run while it goes on agree with those computed from all of its rows afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from sim.analysis.metrics import measure
from sim.analysis.so_far import SHORTEST_S, Latencies, SoFar, Tally
from sim.analysis.window import Window
from sim.data.outcomes import OK, REJECTED
from sim.engine.replication import Part
from sim.engine.runner import predict
from sim.gateway.language import load

ROWS = np.dtype([("latency_s", "f8"), ("outcome", "i1")])


def test_a_tally_of_replications_says_what_the_whole_run_says() -> None:
    scenario = load("demo", ["workload.duration=60s", "workload.warmup=0s", "faults=[]"]).scenario
    tally = Tally(60.0)

    def add(_: int, part: Part) -> None:
        tally.add(part.requests, part.timeline)

    run = predict(scenario, replications=3, progress=add)
    found, window = tally.so_far(), Window(run)
    assert found.rate_rps == pytest.approx(len(run.requests) / 180.0)
    assert found.waiting == pytest.approx(run.timeline["waiting"].mean())
    assert found.cost_usd == pytest.approx(run.requests["cost_usd"].sum() / 3)
    assert found.p50_s == pytest.approx(measure(window, "latency_s.p50").value, rel=0.02)
    assert found.p99_s == pytest.approx(measure(window, "latency_s.p99").value, rel=0.02)
    assert found.in_flight == pytest.approx((run.timeline["waiting"] + run.timeline["in_service"]).mean(), rel=0.25)


def test_latencies_are_those_of_answers_whatever_their_size() -> None:
    latencies = Latencies()
    assert latencies.quantile(0.5) is None
    latencies.add(np.array([(0.0, OK), (3.0, OK), (1e9, OK), (5.0, REJECTED)], ROWS))
    assert latencies.quantile(0.0) == pytest.approx(SHORTEST_S, rel=0.01)
    assert latencies.quantile(0.5) == pytest.approx(3.0, rel=0.01)
    assert latencies.counts.sum() == 3


def test_what_is_not_known_is_not_shown() -> None:
    assert SoFar(rate_rps=12.0, p99_s=0.25).shown() == {"rate": "12/s", "P99": "250 ms"}
