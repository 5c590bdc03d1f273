"""What became worse than a baseline is said when it exceeds the tolerance and the interval does, too; else it is not."""

import numpy as np
import pytest

from sim.analysis.regression import as_document, bootstrap_estimate, effects

RNG = np.random.default_rng(5)


def pairs(shift: float, noise: float, count: int = 8) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """P99s of either side: the second so many times larger, give or take the noise."""
    before = RNG.uniform(1.0, 2.0, count)
    return {"latency_s.p99": before}, {"latency_s.p99": before * (1 + shift + noise * RNG.standard_normal(count))}


@pytest.mark.parametrize("kind", ["prediction", "measurement"])
@pytest.mark.parametrize(
    ("shift", "noise", "verdict"),
    [(0.0, 0.0, "ok"), (0.10, 0.001, "regression"), (-0.10, 0.001, "ok"), (0.01, 0.001, "ok"), (0.06, 0.2, "inconclusive")],
    ids=["the same", "10 % worse", "10 % better", "1 % worse", "6 % worse, and noisy"],
)
def test_only_what_surely_exceeds_the_tolerance_is_a_regression(kind: str, shift: float, noise: float, verdict: str) -> None:
    (found,) = effects(kind, *pairs(shift, noise)).values()
    assert found.verdict == verdict


def test_what_should_be_high_is_worse_when_lower() -> None:
    before, lower = {"availability": np.full(6, 0.999)}, {"availability": np.full(6, 0.98)}
    assert effects("prediction", before, lower)["availability"].verdict == "regression"
    assert effects("prediction", lower, before)["availability"].verdict == "ok"


def test_a_tolerance_of_its_own_replaces_that_of_its_unit() -> None:
    both = pairs(0.10, 0.001)
    assert effects("prediction", *both, {"latency_s.p99": 0.15})["latency_s.p99"].verdict == "ok"
    assert effects("prediction", *both, {"": 0.15})["latency_s.p99"].verdict == "ok"
    assert effects("prediction", *both, {"": 0.15, "latency_s.p99": 0.01})["latency_s.p99"].verdict == "regression"


def test_fewer_than_five_measured_pairs_say_nothing() -> None:
    assert effects("measurement", *pairs(0.5, 0.01, 4))["latency_s.p99"].verdict == "insufficient"
    assert effects("measurement", *pairs(0.5, 0.01, 5))["latency_s.p99"].verdict == "regression"


def test_rounding_errors_are_no_change_and_pairs_that_cannot_say_are_left_out() -> None:
    before = np.array([1.0, 2.0, np.nan, 4.0])
    found = effects("prediction", {"latency_s.p50": before}, {"latency_s.p50": before * (1 + 1e-13)})["latency_s.p50"]
    assert (found.change, found.pairs, found.verdict) == ((0.0, 0.0, 0.0), 3, "ok")


def test_from_nothing_to_something_is_a_regression_and_its_document_has_no_infinity() -> None:
    found = effects("measurement", {"cost_usd.per_request": np.zeros(6)}, {"cost_usd.per_request": np.ones(6)})
    assert found["cost_usd.per_request"].verdict == "regression"
    assert as_document(found)["cost_usd.per_request"]["change"] == {"value": None, "low": None, "high": None}


def test_the_bootstrap_says_the_same_of_the_same_values_and_covers_a_mean() -> None:
    values = RNG.normal(1.0, 0.1, (200, 12))
    found = [bootstrap_estimate(each, 1) for each in values]
    assert found[0] == bootstrap_estimate(values[0], 1)
    covered = np.mean([one.low <= 1.0 <= one.high for one in found])  # type: ignore[operator]
    assert covered > 0.85, "95 %, less what a percentile bootstrap of twelve lacks"
