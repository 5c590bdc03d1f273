"""Two scenarios with the same dice: small differences show that two independent runs would bury."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.estimate import mean_estimate
from sim.experiment import predict
from sim.paired import by_replication, paired_differences
from sim.scenario.load import load

MM1 = Path(__file__).parents[2] / "scenarios" / "validation" / "mm1.yaml"
SHORT = ["workload.duration=3000s", "workload.warmup=100s"]


def run(*sets, **options):
    return predict(load(MM1, [*SHORT, *sets]).scenario, **{"replications": 8} | options)


@pytest.fixture(scope="module")
def baseline():
    return run()


def test_a_service_two_percent_slower_shows(baseline):
    slower = run("providers.server.models.job.latency={kind: exponential, mean: 1.02s}")
    difference = paired_differences(baseline, slower, ["latency_s.mean"])["latency_s.mean"]
    assert difference.verdict == "higher"
    assert 0 < difference.change.low < difference.change.value < difference.change.high
    assert difference.change.value == pytest.approx(difference.candidate - difference.baseline)


def test_the_paired_interval_is_far_narrower_than_that_of_independent_runs(baseline):
    slower = run("providers.server.models.job.latency={kind: exponential, mean: 1.02s}")
    other_dice = run("providers.server.models.job.latency={kind: exponential, mean: 1.02s}", seed=99)
    paired = paired_differences(baseline, slower, ["latency_s.mean"])["latency_s.mean"].change
    before, after = (by_replication(one, ["latency_s.mean"])[:, 0] for one in (baseline, other_dice))
    independent = mean_estimate(after - before)
    assert paired.high - paired.low < 0.25 * (independent.high - independent.low)


def test_no_change_is_exactly_no_difference(baseline):
    difference = paired_differences(baseline, run(), ["latency_s.p99"])["latency_s.p99"]
    assert difference.change == (0.0, 0.0, 0.0)
    assert difference.verdict == "no difference seen"


def test_different_dice_are_refused(baseline):
    with pytest.raises(ValueError, match="found seed 1 × 8 and seed 2 × 8"):
        paired_differences(baseline, run(seed=2))
    with pytest.raises(KeyError):
        paired_differences(baseline, baseline, ["latency"])
