"""Arrivals: the stated rate and burstiness, from the start, with the same luck at every scale."""

import numpy as np
import pytest
from scipy import stats
from workloads import make

from sim.draws import Purpose
from sim.scenario.errors import ScenarioError
from sim.workload.arrivals import arrivals_between, renewals, unit_gaps

ALPHA = 1e-4
Z = stats.norm.isf(ALPHA / 2)
GAP = Purpose.ARRIVAL_GAP


def times(arrivals, duration_s, seed=7, factor=1.0, low_s=0.0):
    return arrivals_between(make(arrivals).workload.arrivals, seed, GAP, factor, low_s, duration_s)


def counts(at_s, window_s, duration_s):
    return np.bincount((at_s // window_s).astype(int), minlength=int(duration_s / window_s))


def test_poisson_counts_have_the_mean_and_variance_of_a_poisson_law():
    _, at_s = times({"kind": "poisson", "rate": "10/s"}, 20_000.0)
    each = counts(at_s, 1.0, 20_000.0)
    assert abs(each.mean() - 10) < Z * np.sqrt(10 / len(each))
    # The index of dispersion of n Poisson counts has a standard deviation of sqrt(2/n) around 1.
    assert abs(each.var(ddof=1) / each.mean() - 1) < Z * np.sqrt(2 / len(each))
    assert stats.kstest(np.diff(at_s), stats.expon(scale=0.1).cdf).pvalue > ALPHA


@pytest.mark.parametrize("cv", [0.3, 2.0, 3.0])
def test_gamma_counts_are_dispersed_as_renewal_theory_says(cv):
    window, n = 200.0, 4000
    _, at = renewals(7, GAP, cv, 0.0, window * n)
    each = counts(at, window, window * n)
    # Var N(t) = cv² t + 1/6 - cv⁴/6 for a stationary process of gamma gaps of mean 1 (Cox, Renewal Theory, section 4.5).
    expected = (cv**2 * window + (1 - cv**4) / 6) / window
    spread = np.sqrt((stats.kurtosis(each) + 2) / n)
    assert abs(each.var(ddof=1) / each.mean() / expected - 1) < Z * spread
    # Of the gaps before they are added up: bursts hold gaps too short to tell from zero beside a time of day.
    gaps = unit_gaps(7, GAP, cv)(np.arange(1, 100_001))
    assert stats.kstest(gaps, stats.gamma(cv**-2, scale=cv**2).cdf).pvalue > ALPHA
    assert np.diff(at[at >= 0])[:1000] == pytest.approx(gaps[:1000], abs=1e-9)


def test_clockwork_has_equal_gaps_and_starts_anywhere_within_one():
    firsts = []
    for seed in range(200):
        _, at_s = times({"kind": "gamma", "rate": "4/s", "cv": 0}, 10.0, seed)
        assert np.diff(at_s) == pytest.approx(0.25)
        assert len(at_s) in (40, 41)
        firsts.append(at_s[0])
    assert stats.kstest(firsts, stats.uniform(0, 0.25).cdf).pvalue > ALPHA


@pytest.mark.parametrize("cv", [0.0, 0.5, 1.0, 3.0])
def test_the_rate_holds_from_the_first_moment_on_both_sides_of_zero(cv):
    early, late = [], []
    for seed in range(4000):
        numbers, at = renewals(seed, GAP, cv, -2.0, 2.0)
        assert numbers.tolist() == list(range(-(at < 0).sum(), (at >= 0).sum()))
        late.append(((at >= 0) & (at < 0.5)).sum())
        early.append((at < -1.5).sum())
    for found in (np.array(late), np.array(early)):
        assert abs(found.mean() - 0.5) < Z * found.std(ddof=1) / np.sqrt(len(found))


@pytest.mark.parametrize("cv", [0.0, 1.0, 2.0])
def test_a_longer_span_holds_the_shorter_one_unchanged(cv):
    numbers, at = renewals(7, GAP, cv, -50.0, 100.0)
    more_numbers, more = renewals(7, GAP, cv, -500.0, 5000.0)
    inside = (more_numbers >= numbers[0]) & (more_numbers <= numbers[-1])
    assert np.array_equal(more[inside], at)


@pytest.mark.parametrize("kind", [{"kind": "poisson", "rate": "3/s"}, {"kind": "gamma", "rate": "3/s", "cv": 2}])
def test_at_ten_times_the_rate_the_same_gaps_are_ten_times_shorter(kind):
    _, once = times(kind, 1000.0)
    _, tenfold = times(kind, 1000.0, factor=10.0)
    assert tenfold[: len(once)] == pytest.approx(once / 10, rel=1e-12)
    assert len(tenfold) > 9 * len(once)


def test_stages_are_poisson_at_their_own_rates():
    stages = [{"rate": "10/s"}, {"rate": "50/s", "ramp": True}, {"rate": "5/s"}]
    _, at_s = times({"kind": "stages", "stages": [{**stage, "duration": "1000s"} for stage in stages]}, 3000.0)
    for found, expected in zip(counts(at_s, 1000.0, 3000.0), (10_000, 30_000, 5000), strict=True):
        assert abs(found - expected) < Z * np.sqrt(expected)
    ramp = at_s[(at_s >= 1000) & (at_s < 2000)] / 1000 - 1
    assert stats.kstest(ramp, lambda x: (10 * x + 20 * x * x) / 30).pvalue > ALPHA
    flat = at_s[at_s < 1000]
    assert stats.kstest(flat, stats.uniform(0, 1000).cdf).pvalue > ALPHA


def test_a_rate_of_zero_brings_nobody():
    assert len(times({"kind": "stages", "stages": [{"rate": "0/s", "duration": "1m"}]}, 60.0)[1]) == 0


def test_more_arrivals_than_fit_into_memory_are_refused_with_their_number():
    with pytest.raises(ScenarioError, match=r"about 100,000,000 arrivals, more than"):
        times({"kind": "poisson", "rate": "1000/s"}, 1000.0, factor=100.0)
