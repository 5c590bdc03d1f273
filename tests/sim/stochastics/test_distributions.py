"""Laws: the right distribution from one uniform a draw, element by element."""

import math

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import integrate, stats

from sim.scenario.distributions import Distribution, mean
from sim.stochastics.distributions import inverse, quantile
from sim.stochastics.random_streams import Purpose, uniforms

N = 100_000
U = uniforms(11, Purpose.TTFT, np.arange(N))
ALPHA = 1e-4


def law(**raw):
    return TypeAdapter(Distribution).validate_python(raw)


EXPONENTIAL = {"kind": "exponential", "mean": 2.0}
LOGNORMAL = {"kind": "lognormal", "median": 400, "p99": 2500}
GAMMA = {"kind": "gamma", "mean": 3.0, "cv": 2.5}
UNIFORM = {"kind": "uniform", "low": 5, "high": 7}
SIGMA = math.log(2500 / 400) / stats.norm.ppf(0.99)

CONTINUOUS = [
    (EXPONENTIAL, stats.expon(scale=2.0).cdf),
    (LOGNORMAL, stats.lognorm(SIGMA, scale=400).cdf),
    ({"kind": "lognormal", "median": "645ms", "sigma": 0.32}, stats.lognorm(0.32, scale=0.645).cdf),
    (GAMMA, stats.gamma(1 / 6.25, scale=3 * 6.25).cdf),
    ({"kind": "gamma", "mean": 3.0, "cv": 1}, stats.expon(scale=3).cdf),
    ({"kind": "gamma", "mean": 3.0, "cv": 0.2}, stats.gamma(25, scale=3 / 25).cdf),
    ({"kind": "weibull", "scale": 2.0, "shape": 0.7}, stats.weibull_min(0.7, scale=2).cdf),
    (UNIFORM, stats.uniform(5, 2).cdf),
    ({"kind": "shifted", "by": 10, "of": GAMMA}, stats.gamma(1 / 6.25, loc=10, scale=3 * 6.25).cdf),
    (
        {"kind": "mixture", "parts": [{"weight": 3, "of": EXPONENTIAL}, {"weight": 1, "of": UNIFORM}]},
        lambda x: 0.75 * stats.expon(scale=2.0).cdf(x) + 0.25 * stats.uniform(5, 2).cdf(x),
    ),
    (
        {"kind": "mixture", "parts": [{"weight": 0.001, "of": UNIFORM}, {"weight": 0.999, "of": EXPONENTIAL}]},
        lambda x: 0.999 * stats.expon(scale=2.0).cdf(x) + 0.001 * stats.uniform(5, 2).cdf(x),
    ),
]
DISCRETE = [
    {"kind": "constant", "value": 4},
    {"kind": "geometric", "mean": 4},
    {"kind": "geometric", "mean": 1},
    {"kind": "empirical", "values": [3.0, 1.0, 2.0, 2.0]},
]
ALL = [raw for raw, _ in CONTINUOUS] + DISCRETE


def name(raw):
    return "-".join(str(value) for value in raw.values() if not isinstance(value, (dict, list)))


@pytest.mark.parametrize(("raw", "cdf"), CONTINUOUS, ids=[name(raw) for raw, _ in CONTINUOUS])
def test_values_follow_their_law(raw, cdf):
    # Kolmogorov–Smirnov: the distance of n independent draws exceeds kstwobign.isf(alpha)/sqrt(n) with probability alpha.
    distance = stats.kstest(quantile(law(**raw), U), cdf).statistic
    assert distance < stats.kstwobign.isf(ALPHA) / np.sqrt(N)


def test_geometric_counts_follow_their_law():
    counts = np.bincount(quantile(law(kind="geometric", mean=4), U).astype(int), minlength=40)[1:]
    expected = N * stats.geom(1 / 4).pmf(np.arange(1, len(counts) + 1))
    few = expected < 20
    observed, wanted = np.append(counts[~few], counts[few].sum()), np.append(expected[~few], N - expected[~few].sum())
    assert stats.chisquare(observed, wanted).pvalue > ALPHA


def test_recorded_values_are_equally_likely_and_repeats_count():
    values, counts = np.unique(quantile(law(kind="empirical", values=[3.0, 1.0, 2.0, 2.0]), U), return_counts=True)
    assert values.tolist() == [1, 2, 3]
    assert stats.chisquare(counts, N * np.array([0.25, 0.5, 0.25])).pvalue > ALPHA


@pytest.mark.parametrize("raw", ALL, ids=name)
def test_mean_is_the_integral_of_the_quantile_function(raw):
    one = law(**raw)
    breaks = [0.25, 0.5, 0.75, 0.001]
    area = integrate.quad(lambda u: float(quantile(one, np.array([u]))[0]), 0, 1, limit=2000, points=breaks)[0]
    assert mean(one) == pytest.approx(area, rel=2e-3)


@pytest.mark.parametrize("raw", ALL, ids=name)
def test_a_value_does_not_depend_on_the_array_it_is_drawn_in(raw):
    one, u = law(**raw), U[:1003]
    whole = quantile(one, u)
    assert [quantile(one, u[i : i + 1])[0] for i in range(len(u))] == whole.tolist()
    assert quantile(one, u[5:][::-3]).tolist() == whole[5:][::-3].tolist()
    assert quantile(one, u.reshape(17, 59)).tolist() == whole.reshape(17, 59).tolist()
    assert inverse(one)(u).tolist() == whole.tolist()
    assert quantile(one, np.float64(u[3])) == whole[3]


@pytest.mark.parametrize("raw", ALL, ids=name)
def test_the_smallest_and_largest_draw_give_finite_values(raw):
    values = quantile(law(**raw), np.array([2.0**-53, 1 - 2.0**-53]))
    assert np.isfinite(values).all()
    assert (values >= 0).all()


@pytest.mark.parametrize("raw", [raw for raw in ALL if raw["kind"] != "mixture"], ids=name)
def test_quantiles_rise_with_the_uniform(raw):
    assert (np.diff(quantile(law(**raw), np.sort(U))) >= 0).all()


def test_a_lognormal_given_by_its_p99_has_that_p99():
    assert quantile(law(**LOGNORMAL), np.array([0.5, 0.99])) == pytest.approx([400, 2500], rel=1e-12)
    assert quantile(law(kind="lognormal", median=3, p99=3), U[:9]).tolist() == [3.0] * 9


def test_largest_draw_picks_the_last_recorded_value():
    for count in (1, 2, 3, 7, 1024, 99_999):
        values = tuple(float(v) for v in range(count))
        assert quantile(law(kind="empirical", values=values), np.array([1 - 2.0**-53]))[0] == count - 1


def test_a_file_of_values_that_was_not_taken_in_is_refused():
    with pytest.raises(ValueError, match=r"waits.txt are taken in when the scenario is loaded"):
        quantile(law(kind="empirical", file="waits.txt"), U[:1])
