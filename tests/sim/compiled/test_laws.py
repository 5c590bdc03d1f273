"""Compiled laws are those of ``sim.stochastics.distributions``, and compiled draws are bit for bit its random streams."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from sim.compiled import kernel
from sim.compiled.laws import draw, normal_quantile
from sim.compiled.settings import Laws
from sim.scenario.distributions import Distribution
from sim.stochastics import distributions
from sim.stochastics.random_streams import Purpose, stream, uniform

LAWS = [
    {"kind": "constant", "value": "250ms"},
    {"kind": "exponential", "mean": "2s"},
    {"kind": "geometric", "mean": 4},
    {"kind": "geometric", "mean": 1},
    {"kind": "lognormal", "median": "645ms", "sigma": 0.32},
    {"kind": "lognormal", "median": 400, "p99": 2500},
    {"kind": "gamma", "mean": "3s", "cv": 1},
    {"kind": "weibull", "scale": "2s", "shape": 0.7},
    {"kind": "uniform", "low": "1s", "high": "3s"},
    {"kind": "empirical", "values": [3, 1, 2, 2, 10]},
    {"kind": "shifted", "by": "1s", "of": {"kind": "exponential", "mean": "2s"}},
    {
        "kind": "mixture",
        "parts": [
            {"weight": 1, "of": {"kind": "constant", "value": 7}},
            {"weight": 3, "of": {"kind": "shifted", "by": 5, "of": {"kind": "exponential", "mean": 2}}},
            {"weight": 0.5, "of": {"kind": "mixture", "parts": [{"weight": 1, "of": {"kind": "uniform", "low": 1, "high": 2}}]}},
        ],
    },
]
U = np.concatenate([[2.0**-53, 1e-12, 1e-3, 0.075, 0.425, 0.5, 0.925, 1 - 1e-12, 1 - 2.0**-53], np.linspace(0.001, 0.999, 997)])


@pytest.mark.parametrize("raw", LAWS, ids=lambda raw: raw["kind"])
def test_compiled_laws_are_the_laws(raw):
    law = TypeAdapter(Distribution).validate_python(raw)
    laws = Laws()
    laws.add(TypeAdapter(Distribution).validate_python(LAWS[0]))  # another one first, so that numbers matter
    number = laws.add(law)
    drawn = [draw(*laws.arrays(), number, u) for u in U]
    np.testing.assert_allclose(drawn, distributions.quantile(law, U), rtol=1e-13)


def test_the_normal_quantile_is_scipys():
    from scipy.special import ndtri

    np.testing.assert_allclose([normal_quantile(u) for u in U], ndtri(U), rtol=2e-15, atol=1e-15)


def test_compiled_draws_are_the_draws_bit_for_bit():
    for seed, prompt, occurrence in [(0, 0, 0), (7, 4711, 3), (2**63 - 1, 2**40, 0), (11, -5, 1)]:
        root = np.uint64(stream(seed, Purpose.TTFT))
        assert kernel.uniform(root, prompt, occurrence) == uniform(seed, Purpose.TTFT, prompt, occurrence)
