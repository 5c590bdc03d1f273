"""Arrivals: the stated rate and burstiness, from the start, with the same luck at every scale."""

import numpy as np
import pytest
from scipy import stats

from sim.scenario.errors import ScenarioError
from sim.stochastics.random_streams import Purpose
from sim.workload.arrivals import arrivals_between, renewals, unit_gaps
from tests.sim.workload.workloads import make

ALPHA = 1e-4
Z = stats.norm.isf(ALPHA / 2)
GAP = Purpose.ARRIVAL_GAP


def times(arrivals, duration_s, seed=7, factor=1.0, low_s=0.0):
    found = arrivals_between(make(arrivals).workload.arrivals, seed, GAP, factor, low_s, duration_s)
    return found.number, found.at_s


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
    window, n = 200.0, 1500
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
    for seed in range(1500):
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


GEOMETRIC = {"kind": "geometric", "mean": 4}
BURSTS = [
    {"kind": "poisson", "rate": "40/s", "batch": GEOMETRIC},
    {"kind": "gamma", "rate": "40/s", "cv": 2, "batch": GEOMETRIC},
    {"kind": "stages", "stages": [{"rate": "20/s", "duration": "1000s"}, {"rate": "60/s", "duration": "1000s"}], "batch": GEOMETRIC},
    {"kind": "users", "daily_active": 1, "calls_per_day": 40 * 86400, "batch": GEOMETRIC},
]


def batches_of(arrivals, duration_s=2000.0, factor=1.0, seed=7, low_s=0.0):
    return arrivals_between(make(arrivals).workload.arrivals, seed, GAP, factor, low_s, duration_s)


@pytest.mark.parametrize("arrivals", BURSTS, ids=lambda arrivals: arrivals["kind"])
def test_the_rate_counts_calls_so_batches_come_at_rate_over_mean_size(arrivals):
    found = batches_of(arrivals)
    numbers, sizes = np.unique(found.batch, return_counts=True)
    assert np.array_equal(found.number, np.arange(len(found.number)))
    assert np.array_equal(numbers, np.arange(len(numbers)))
    assert (np.diff(found.at_s) >= 0).all()
    assert all(np.ptp(found.at_s[found.batch == number]) == 0 for number in numbers[:100])
    # P(size = k) = (3/4)^(k-1) / 4; the tail from 20 on is one cell.
    law = stats.geom(1 / 4)
    cells = np.bincount(np.minimum(sizes, 20), minlength=21)[1:]
    assert stats.chisquare(cells, len(sizes) * np.append(law.pmf(np.arange(1, 20)), law.sf(19))).pvalue > ALPHA
    # The variance of the number of calls: batches times E X², times the gaps' dispersion of those (cv 2) beside that of sizes.
    dispersion = 28 / 4 if arrivals["kind"] != "gamma" else (12 + 4 * 16) / 4
    assert abs(len(found.at_s) - 80_000) < Z * np.sqrt(80_000 * dispersion)


def test_without_batches_everybody_is_a_batch_of_their_own():
    found = batches_of({"kind": "poisson", "rate": "40/s"}, low_s=-10.0)
    assert np.array_equal(found.batch, found.number)
    alone = batches_of({"kind": "poisson", "rate": "40/s", "batch": {"kind": "constant", "value": 1}}, low_s=-10.0)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(alone, found, strict=True))


@pytest.mark.parametrize("arrivals", BURSTS[:2], ids=lambda arrivals: arrivals["kind"])
def test_ten_times_the_scale_brings_the_same_batches_ten_times_as_often(arrivals):
    once, tenfold = batches_of(arrivals, 300.0), batches_of(arrivals, 300.0, factor=10.0)
    calls = len(once.at_s)
    assert np.array_equal(tenfold.batch[:calls], once.batch)
    assert tenfold.at_s[:calls] == pytest.approx(once.at_s / 10, rel=1e-12)
    assert len(tenfold.at_s) > 9 * calls


def test_numbers_and_sizes_of_batches_do_not_depend_on_how_far_back_one_looks():
    little, much = batches_of(BURSTS[0], 10.0, low_s=-5.0), batches_of(BURSTS[0], 10.0, low_s=-500.0)
    inside = (much.number >= little.number[0]) & (much.number <= little.number[-1])
    for ours, theirs in zip(little, much, strict=True):
        assert np.array_equal(theirs[inside], ours)
    assert little.number[0] < little.batch[0] < 0


def test_sizes_are_whole_and_at_least_one():
    uneven = {"kind": "poisson", "rate": "40/s", "batch": {"kind": "uniform", "low": 0, "high": 2.4}}
    found = batches_of(uneven)
    sizes = np.bincount(found.batch)
    assert set(sizes.tolist()) == {1, 2}
    assert abs(len(found.at_s) - 80_000) < Z * np.sqrt(80_000 * 2)


@pytest.mark.slow
def test_a_long_tail_of_sizes_is_refused_before_it_fills_the_memory():
    tail = {"kind": "mixture", "parts": [{"weight": 1e6, "of": {"kind": "constant", "value": 1}},
                                         {"weight": 1, "of": {"kind": "constant", "value": 1_000_000}}]}  # fmt: skip
    with pytest.raises(ScenarioError, match=r"arrivals, more than the 50,000,000 that one run may have"):
        batches_of({"kind": "poisson", "rate": "10000/s", "batch": tail}, 4000.0)


def test_more_arrivals_than_fit_into_memory_are_refused_with_their_number():
    with pytest.raises(ScenarioError, match=r"about 100,000,000 arrivals, more than"):
        times({"kind": "poisson", "rate": "1000/s"}, 1000.0, factor=100.0)
