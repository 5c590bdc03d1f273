"""Replications are added until a figure is known well enough, and no longer; what does not converge is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.analysis.metrics import measure
from sim.engine.runner import predict, predict_to_precision
from sim.engine.sequential_stopping import MINIMUM, half_width, to_precision
from sim.gateway.language import load

MM1 = Path(__file__).parents[3] / "scenarios" / "validation" / "mm1.yaml"


@pytest.fixture(scope="module")
def scenario():
    return load(MM1, ["workload.duration=2000s", "workload.warmup=100s", "workload.arrivals.rate=0.5/s"]).scenario


@pytest.fixture(scope="module")
def known(scenario):
    """To a tenth."""
    return predict_to_precision(scenario, 0.1)


def test_stops_when_every_figure_is_known_to_the_precision_asked_for(known):
    run, precision = known, known.precision
    assert not precision.missed
    assert run.replications == precision.replications >= MINIMUM
    for name in precision.reached:
        assert half_width(measure(run, name)) <= 0.1 / 1.1
    assert precision.says.startswith("converged to 0.1")


def test_a_rough_precision_takes_the_minimum_and_a_finer_one_more(scenario, known):
    assert predict_to_precision(scenario, 0.9).replications == MINIMUM < known.replications


def test_what_does_not_converge_is_told(scenario):
    run = predict_to_precision(scenario, 0.001, most=12)
    precision = run.precision
    assert run.replications == 12
    assert "latency_s.mean" in precision.missed
    assert precision.says.startswith("not converged to 0.001: latency_s.mean")


def test_the_run_is_the_one_that_so_many_replications_give(scenario, known):
    again = predict(scenario, replications=known.precision.replications)
    np.testing.assert_array_equal(known.requests, again.requests)


def test_nonsense_is_refused(scenario):
    with pytest.raises(ValueError, match="between 0 and 1"):
        to_precision(2.0, lambda n: predict(scenario, replications=n))
    with pytest.raises(KeyError, match="no_such_figure"):
        to_precision(0.1, lambda n: predict(scenario, replications=n), figures=("no_such_figure",))
