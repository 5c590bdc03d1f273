"""Laws are found again from samples of them, and poor fits are not taken."""

from __future__ import annotations

import numpy as np
import pytest

from sim.importing.laws import fit

N = 6000


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


def test_a_lognormal(random: np.random.Generator) -> None:
    found = fit(random.lognormal(np.log(0.6), 0.3, N), True)
    assert found.kind == "lognormal"
    assert found.law.median == pytest.approx(0.6, rel=0.02)
    assert found.law.sigma == pytest.approx(0.3, rel=0.04)


def test_a_gamma(random: np.random.Generator) -> None:
    found = fit(random.gamma(2.5, 2.0, N), True)
    assert found.kind == "gamma"
    assert found.law.mean == pytest.approx(5.0, rel=0.03)
    assert found.law.cv == pytest.approx(2.5**-0.5, rel=0.05)


def test_a_weibull(random: np.random.Generator) -> None:
    found = fit(3 * random.weibull(0.7, N), True)
    assert found.kind == "weibull"
    assert (found.law.scale, found.law.shape) == (pytest.approx(3, rel=0.06), pytest.approx(0.7, rel=0.05))


def test_a_mixture_of_cold_starts(random: np.random.Generator) -> None:
    cold = random.random(N) < 0.15
    found = fit(np.where(cold, random.lognormal(np.log(19.2), 0.8, N), random.lognormal(np.log(1.26), 0.24, N)), True)
    assert found.kind == "mixture"
    weights = [part.weight for part in found.law.parts]
    medians = [part.of.median for part in found.law.parts]
    assert weights == [pytest.approx(0.85, abs=0.02), pytest.approx(0.15, abs=0.02)]
    assert medians == [pytest.approx(1.26, rel=0.03), pytest.approx(19.2, rel=0.12)]


def test_what_no_law_fits_is_the_sample_itself(random: np.random.Generator) -> None:
    found = fit(np.concatenate([random.uniform(1, 2, N), random.uniform(7, 8, N), random.uniform(50, 51, N)]), False)
    assert found.kind == "empirical"
    assert abs(found.mean) < 1e-3
    assert "lognormal KS" in found.says


def test_too_little_data_is_said(random: np.random.Generator) -> None:
    assert "TOO LITTLE DATA" in fit(random.lognormal(0, 1, 12), True).says
    assert "too little data for its P99" in fit(random.lognormal(0, 1, 150), True).says
    assert fit(np.zeros(0), True).n == 0
    assert fit(np.full(9, 550.0), False).law.kind == "constant"
