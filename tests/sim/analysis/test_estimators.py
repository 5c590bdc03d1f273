"""Intervals cover as often as they say, and nothing is said where the samples cannot say it."""

import math

import numpy as np
import pytest
from scipy import stats

from sim.analysis.estimators import (
    INSUFFICIENT,
    Estimate,
    clopper_pearson,
    least_samples,
    mean_estimate,
    order_ranks,
    quantile_estimate,
    ratio_estimate,
    share_estimate,
)


def coverage(estimates: list[Estimate], truth: float) -> float:
    return float(np.mean([low <= truth <= high for _, low, high in estimates]))


@pytest.mark.parametrize(("quantile", "samples"), [(0.5, 6), (0.95, 72), (0.99, 368), (0.999, 3688), (0.01, 368)])
def test_a_quantile_needs_this_many_samples(quantile: float, samples: int) -> None:
    sample = np.random.default_rng(1).exponential(size=samples)
    assert least_samples(quantile) == samples
    assert quantile_estimate([sample[:-1]], quantile) == INSUFFICIENT
    assert quantile_estimate([sample], quantile).value is not None


def test_a_mean_over_replications_is_students_t() -> None:
    values = [4.0, 5.0, 6.5, 5.5]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert mean_estimate(values) == pytest.approx((5.25, low, high))


def test_one_replication_gives_a_mean_no_bounds() -> None:
    assert mean_estimate([3.0]) == (3.0, None, None)
    assert ratio_estimate([30.0], [10]) == (3.0, None, None)
    assert mean_estimate([]) == INSUFFICIENT
    assert mean_estimate([math.nan]) == INSUFFICIENT


def test_a_ratio_weighs_replications_by_their_requests() -> None:
    assert ratio_estimate([10.0, 90.0], [10, 30]).value == 2.5
    assert ratio_estimate([0, 0], [0, 0]) == INSUFFICIENT


def test_a_ratio_with_equal_counts_is_the_mean_over_replications() -> None:
    means = np.array([1.0, 2.0, 4.0])
    assert ratio_estimate(means * 10, [10, 10, 10]) == pytest.approx(mean_estimate(means))


def test_intervals_over_replications_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    means, ratios, quantiles = [], [], []
    for _ in range(1000):
        counts = rng.poisson(400, size=10)
        samples = [rng.exponential(size=count) for count in counts]
        means.append(mean_estimate([sample.mean() for sample in samples]))
        ratios.append(ratio_estimate([sample.sum() for sample in samples], counts))
        quantiles.append(quantile_estimate(samples, 0.5))
    for estimates, truth in [(means, 1.0), (ratios, 1.0), (quantiles, math.log(2))]:
        assert 0.93 <= coverage(estimates, truth) <= 0.97


@pytest.mark.parametrize(("per_replication", "quantile"), [(40, 0.99), (400, 0.99), (20, 0.5), (400, 0.01)])
def test_quantiles_of_short_replications_cover_and_are_not_biased(per_replication: int, quantile: float) -> None:
    rng = np.random.default_rng(8)
    truth = -math.log(1 - quantile)
    estimates = [quantile_estimate([rng.exponential(size=per_replication) for _ in range(10)], quantile) for _ in range(1000)]
    assert 0.92 <= coverage(estimates, truth) <= 0.98
    values = [estimate.value for estimate in estimates]
    assert abs(np.mean(values) - truth) < 0.05 * truth, "a mean of the P99s of 40 would lie a tenth below"


def waits(rng: np.random.Generator, size: int) -> np.ndarray:
    """Times in an M/M/1 queue at utilisation 0.8, in equilibrium from the start: neighbours resemble each other."""
    steps = rng.exponential(size=size) - rng.exponential(1 / 0.8, size)
    start = rng.exponential(5.0) if rng.random() < 0.8 else 0.0
    walk = np.concatenate([[start], start + np.cumsum(steps[:-1])])
    return walk - np.minimum(0.0, np.minimum.accumulate(walk))


@pytest.mark.parametrize(("replications", "size"), [(10, 4000), (1, 30_000)])
def test_quantiles_of_requests_that_met_the_same_queue_cover(replications: int, size: int) -> None:
    rng = np.random.default_rng(9)
    medians, tails = [], []
    for _ in range(200):
        samples = [waits(rng, size) for _ in range(replications)]
        medians.append(quantile_estimate(samples, 0.5))
        tails.append(quantile_estimate(samples, 0.99))
    assert coverage(medians, 5 * math.log(0.8 / 0.5)) >= 0.90
    assert coverage(tails, 5 * math.log(0.8 / 0.01)) >= 0.88, (
        "a P99 of so few hundred independent stretches is hard; order statistics cover 0.2"
    )


def test_one_replication_of_independent_samples_is_covered_too() -> None:
    rng = np.random.default_rng(8)
    estimates = [quantile_estimate([rng.exponential(size=500)], 0.99) for _ in range(1000)]
    assert 0.94 <= coverage(estimates, -math.log(0.01)) <= 0.995


def test_a_mean_of_a_handful_of_requests_gets_no_interval() -> None:
    assert ratio_estimate([3.0, 5.0, 4.0], [1, 2, 1]) == (3.0, None, None)
    assert ratio_estimate([30.0, 50.0, 40.0], [10, 20, 10]).low is not None


def test_equal_answers_have_an_exact_quantile() -> None:
    assert quantile_estimate([np.ones(300), np.ones(200)], 0.99) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(("n", "quantile"), [(6, 0.5), (368, 0.99), (1000, 0.99), (72, 0.05), (100, 0.25)])
def test_order_ranks_hold_their_promise_exactly(n: int, quantile: float) -> None:
    low, high = order_ranks(n, quantile)
    below, above = stats.binom.cdf(low - 1, n, quantile), stats.binom.sf(high - 1, n, quantile)
    assert below <= 0.025
    assert above <= 0.025
    assert stats.binom.cdf(low, n, quantile) > 0.025 or low == n


def test_a_share_that_was_never_seen_to_fail_is_not_certain() -> None:
    assert share_estimate([1000, 1000], [1000, 1000]) == (1.0, pytest.approx(1 - 3.69 / 2000, abs=1e-5), 1.0)
    assert share_estimate([0, 0], [0, 0]) == INSUFFICIENT


def test_a_share_stays_a_share() -> None:
    value, low, high = share_estimate([999, 1000, 1000], [1000, 1000, 1000])
    assert high == 1.0
    assert low is not None
    assert 0.99 < low < value < 1


def test_clopper_pearson_is_scipys() -> None:
    expected = stats.binomtest(7, 50).proportion_ci(method="exact")
    assert clopper_pearson(7, 50) == pytest.approx((0.14, expected.low, expected.high))
