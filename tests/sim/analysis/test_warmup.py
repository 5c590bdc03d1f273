"""MSER-5 finds the textbook truncation, and a run without a steady state is told so instead of being averaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.analysis.warmup import NoSteadyState, mser
from sim.engine.runner import predict
from sim.gateway.language import load
from sim.scenario.errors import ScenarioError
from tests.theory.entry import VALUES

MM1 = Path(__file__).parents[3] / "scenarios" / "validation" / "mm1.yaml"
AUTO = ["analysis=steady-state", "workload.warmup=auto"]


def test_the_textbook_series():
    i = np.arange(200)
    series = 5 + 10 * 0.9**i + (-1.0) ** (i + 1)
    assert mser(series) == VALUES["mser"]["mser5_truncate_obs"]
    assert mser(series, batch=1) == VALUES["mser"]["mser1_truncate_obs"]
    assert series[mser(series) :].mean() == pytest.approx(VALUES["mser"]["mean_after_mser5"], abs=1e-5)


def test_a_series_at_rest_from_the_start_keeps_nearly_everything():
    assert mser(np.random.default_rng(3).normal(size=2000)) < 400


def test_a_drift_to_the_end_is_no_steady_state():
    with pytest.raises(NoSteadyState, match="second half"):
        mser(np.linspace(0.0, 1.0, 500))


def test_a_queue_that_starts_empty_gets_a_warm_up_and_the_right_mean():
    scenario = load(MM1, [*AUTO, "workload.duration=10000s"]).scenario
    run = predict(scenario, replications=4)
    assert 0 <= run.warmup_s < 5_000
    assert run.scenario.workload.warmup == run.warmup_s
    assert len(run.counted) == (run.requests["arrival_s"] >= run.warmup_s).sum()


def test_a_slow_start_is_left_out():
    """A brown-out of the first 250 s raises latencies; the warm-up found covers it."""
    fault = "faults=[{kind: brownout, provider: server, at: 0s, for: 250s, ttft_factor: 4}]"
    slow = ["gateway.queue={concurrency: unlimited}", "workload.duration=2500s", "workload.arrivals.rate=5/s", fault]
    run = predict(load(MM1, [*AUTO, *slow]).scenario, replications=5)
    assert 245 <= run.warmup_s <= 350


def test_overload_has_no_steady_state():
    scenario = load(MM1, [*AUTO, "workload.duration=3000s", "workload.arrivals.rate=1.6/s"]).scenario
    with pytest.raises(ScenarioError, match="no warm-up can be found"):
        predict(scenario, replications=3)


def test_a_terminating_run_does_not_look_for_a_steady_state():
    with pytest.raises(ScenarioError, match="a terminating run begins as it stands"):
        load(MM1, ["workload.warmup=auto"])


def test_a_steady_state_needs_a_warm_up():
    with pytest.raises(ScenarioError, match="needs a warm-up"):
        load(MM1, ["analysis=steady-state", "workload.warmup=0s"])
