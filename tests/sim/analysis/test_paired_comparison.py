"""Two scenarios with the same dice: small differences show that two independent runs would bury."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.analysis.estimators import Estimate, mean_estimate
from sim.analysis.paired_comparison import FIGURES, Difference, by_replication, difference, paired_differences
from sim.engine.runner import predict
from sim.gateway.language import load
from sim.report.comparison_table import entries

MM1 = Path(__file__).parents[3] / "scenarios" / "validation" / "mm1.yaml"
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


def test_a_quantile_needs_no_more_requests_than_let_one_lie_beyond_it(baseline):
    figures = ["latency_s.p50", "latency_s.p99"]
    few, fewer = (run(f"workload.duration={duration}s", "workload.arrivals.rate=0.5/s") for duration in (350, 250))
    assert (np.bincount(few.counted["replication"]) >= 100).any()
    values = by_replication(few, figures)
    for number, (p50, p99) in enumerate(values):
        latency_s = few.counted["latency_s"][few.counted["replication"] == number]
        assert p50 == np.quantile(latency_s, 0.5)
        np.testing.assert_equal(p99, np.quantile(latency_s, 0.99) if len(latency_s) >= 100 else np.nan)
    assert np.isnan(by_replication(fewer, figures)[:, 1]).all()


def test_without_data_on_one_side_there_is_no_verdict():
    nothing, something = np.full(8, np.nan), np.arange(8.0)
    for before, after in ((nothing, something), (something, nothing), (nothing, nothing)):
        assert difference(before, after).verdict == "insufficient"
    assert difference(nothing, something)[:2] == (None, 3.5)
    one = np.array([1.0, *[np.nan] * 7])
    assert difference(one, one + 1).verdict == "insufficient"


def test_rounding_is_no_change():
    before = np.linspace(1, 2, 8)
    found = difference(before, before * (1 + 2e-11))
    assert found.change == found.joint == (0.0, 0.0, 0.0)
    assert difference(before, before * (1 + 2e-8)).verdict == "higher"


def test_of_a_hundred_comparisons_of_alike_sides_five_at_most_find_something():
    random, scales, hundred = np.random.default_rng(1), 5, 400
    alone = together = 0
    for _ in range(hundred):
        sides = random.normal(size=(len(FIGURES) * scales, 2, 10))
        found = [difference(before, after, judged=len(sides)) for before, after in sides]
        together += any(each.verdict != "no difference seen" for each in found)
        alone += any(not each.change.low <= 0 <= each.change.high for each in found)
    assert alone > 0.6 * hundred  # what intervals of 95 % would have found
    assert together <= 0.075 * hundred  # 5 %, and what chance makes of it in 400


def side(low, high, baseline=1.0, candidate=2.0):
    change = Estimate((low + high) / 2, low, high)
    return Difference(baseline, candidate, change, change)


@pytest.mark.parametrize(
    ("served", "latency", "of_users"), [(0.991, "worse", "worse"), (0.985, "higher", "worse"), (1.0, "worse", "no difference seen")]
)
def test_latencies_of_other_requests_are_neither_better_nor_worse(served, latency, of_users):
    availability = side(0.0, 0.0, 1.0, served) if served == 1.0 else side(served - 1.001, served - 0.999, 1.0, served)
    told = entries({"latency_s.p99": side(0.5, 1.5), "availability": availability})
    assert told["latency_s.p99"]["verdict"] == latency
    assert told["availability"]["verdict"] == of_users
