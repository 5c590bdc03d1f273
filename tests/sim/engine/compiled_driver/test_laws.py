"""Inverse distribution functions in compiled code's own text, which Python runs as it stands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaincinv, ndtri

from sim.engine.compiled_driver.gamma import gamma_quantile
from sim.engine.compiled_driver.laws import normal_quantile

SMALLEST = 2.0**-53


@pytest.mark.parametrize("shape", [0.01, 0.16, 0.5, 0.9, 1.5, 2.0, 7.0, 25.0, 400.0, 1e4, 1e5])
def test_the_gamma_law_is_scipys(shape):
    us = np.concatenate([[SMALLEST, 1e-9, 1e-4], np.linspace(0.01, 0.99, 41), [0.9999, 1 - 1e-9, 1 - SMALLEST]])
    for u in us.tolist():
        assert gamma_quantile(shape, u) == pytest.approx(gammaincinv(shape, u), rel=1e-10, abs=1e-290), u


@given(st.floats(0.05, 200.0), st.floats(1e-6, 1 - 1e-6))
def test_the_gamma_law_is_scipys_for_any_shape(shape, u):
    assert gamma_quantile(shape, u) == pytest.approx(gammaincinv(shape, u), rel=1e-11)


@given(st.floats(SMALLEST, 1 - SMALLEST))
def test_the_normal_law_is_scipys(u):
    assert normal_quantile(u) == pytest.approx(ndtri(u), rel=1e-13, abs=1e-15)
