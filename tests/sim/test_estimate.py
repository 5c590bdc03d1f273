"""Intervals cover as often as they say, and nothing is said where the samples cannot say it."""

import math

import numpy as np
import pytest
from scipy import stats

from sim.estimate import (
    INSUFFICIENT,
    Estimate,
    clopper_pearson,
    grouped,
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


def test_order_statistics_of_one_replication_cover() -> None:
    rng = np.random.default_rng(8)
    estimates = [quantile_estimate([rng.exponential(size=500)], 0.99) for _ in range(1000)]
    assert 0.94 <= coverage(estimates, -math.log(0.01)) <= 0.99


@pytest.mark.parametrize(("n", "quantile"), [(6, 0.5), (368, 0.99), (1000, 0.99), (72, 0.05), (100, 0.25)])
def test_order_ranks_hold_their_promise_exactly(n: int, quantile: float) -> None:
    low, high = order_ranks(n, quantile)
    below, above = stats.binom.cdf(low - 1, n, quantile), stats.binom.sf(high - 1, n, quantile)
    assert below <= 0.025
    assert above <= 0.025
    assert stats.binom.cdf(low, n, quantile) > 0.025 or low == n


def test_small_replications_are_put_together_for_a_tail_quantile() -> None:
    rng = np.random.default_rng(9)
    samples = [rng.exponential(size=200) for _ in range(10)]
    assert [len(group) for group in grouped(samples, 368)] == [400] * 5
    value, low, high = quantile_estimate(samples, 0.99)
    assert low is not None
    assert high is not None
    assert low < value < high
    assert [len(group) for group in grouped(samples[:3], 368)] == [600]


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
