"""Past saturation outcomes are held to their shares; below it, request by request."""

from typing import Any

import numpy as np
import pytest

from sim.analysis.estimators import clopper_pearson
from sim.analysis.saturation import REFUSED, Share, outcome_shares, past_saturation
from sim.analysis.utilization import PER_USER
from sim.analysis.validation import Comparison, Tolerances, compare
from sim.analysis.window import Window
from sim.data.outcomes import ERROR, RATE_LIMITED, REJECTED, TIMEOUT
from sim.data.run import Run
from sim.report.verdicts import verify_verdict
from tests.sim.synthetic_runs import rows, run_of

N = 20_060
"""Of which 20,000 come after the warm-up: the interval of a share is narrower than a point."""
LATENCY = np.random.default_rng(5).lognormal(0, 0.2, N)


def ending(outcome: int, share: float, seed: int = 1, kind: Any = "prediction", load: float | None = None, limit: str = "the queue") -> Run:
    """``share`` of the requests end so, exactly, whichever ``seed`` says."""
    luck = np.random.default_rng(seed).permutation(N - 60)
    ended = np.concatenate([np.zeros(60), (luck < share * (N - 60)) * outcome])
    made = rows(
        N, latency_s=LATENCY, cost_usd=0.01, outcome=ended, arrival_s=np.concatenate([np.arange(60.0), np.linspace(60, 599, N - 60)])
    )
    usage = [] if load is None else [{"limit": limit, "load": load}]
    return run_of(made, kind=kind, usage=usage)


def check_names(comparison: Comparison) -> set[str]:
    return {check.name for check in comparison.checks}


def test_other_requests_are_refused_but_as_many() -> None:
    comparison = compare(ending(REJECTED, 0.2), ending(REJECTED, 0.205, seed=2, kind="measurement"))
    assert comparison.paired.same_outcome is not None
    assert comparison.paired.same_outcome < 0.7
    assert comparison.verdict == "pass"
    assert {"share.ok", "share.rejected"} < check_names(comparison)
    assert "same_outcome" not in check_names(comparison)
    says = verify_verdict(comparison.as_dict())[1]
    assert "shares of outcomes: ok off by 0.50 points (at most 1)" in says
    assert "Past saturation (20.0% of requests are refused for want of room or by a rate limit (predicted))" in says
    assert "held to their shares, not request by request." in says


def test_a_share_that_is_off_by_more_than_a_point_disagrees() -> None:
    comparison = compare(ending(REJECTED, 0.2), ending(REJECTED, 0.22, seed=2, kind="measurement"))
    assert comparison.verdict == "fail"
    assert [check.name for check in comparison.checks if check.ok is False] == ["share.ok", "share.rejected"]
    assert "share of rejected off by 2.00 points (at most 1)" in verify_verdict(comparison.as_dict())[1]


def test_as_many_failures_of_another_kind_disagree() -> None:
    comparison = compare(ending(REJECTED, 0.2), ending(TIMEOUT, 0.2, kind="measurement"))
    assert [check.name for check in comparison.checks if check.ok is False] == ["share.rejected", "share.timeout"]


def test_below_saturation_requests_have_to_end_alike() -> None:
    comparison = compare(ending(ERROR, 0.2), ending(ERROR, 0.2, seed=2, kind="measurement"))
    assert comparison.past_saturation == ""
    assert comparison.verdict == "fail"
    assert [check.name for check in comparison.checks if check.ok is False] == ["same_outcome"]


@pytest.mark.parametrize(
    ("predicted", "measured", "past"),
    [
        (ending(ERROR, 0.2, load=1.3), ending(ERROR, 0.2), True),
        (ending(ERROR, 0.2, load=0.99), ending(ERROR, 0.2), False),
        (ending(ERROR, 0.2, load=1.3, limit=f"{PER_USER}request limit"), ending(ERROR, 0.2), False),
        (ending(ERROR, 0.2), ending(ERROR, 0.2, load=1.3), False),  # a foreign gateway's wait is in its time in service
        (ending(REJECTED, REFUSED / 2), ending(REJECTED, REFUSED / 2), False),
        (ending(REJECTED, 2 * REFUSED), ending(REJECTED, 0.0), True),
        (ending(REJECTED, 0.0), ending(RATE_LIMITED, 2 * REFUSED), True),
    ],
)
def test_past_saturation_is_a_predicted_load_or_refusals_on_either_side(predicted: Run, measured: Run, past: bool) -> None:
    assert bool(past_saturation(Window(predicted), Window(measured))) == past


def test_the_limit_that_is_overloaded_is_named() -> None:
    run = ending(ERROR, 0.2, load=1.3, limit="the gateway's concurrency")
    assert past_saturation(Window(run), Window(run)) == "the gateway's concurrency: demand is 1.30 times its capacity"


def test_a_few_requests_have_a_wide_interval_but_no_pass() -> None:
    limits = Tolerances()
    bounds = (limits.outcome_share, 1 - limits.same_outcome)
    assert Share(clopper_pearson(3_000, 10_000), clopper_pearson(3_050, 10_000)).tolerance(*bounds) == limits.outcome_share
    some = clopper_pearson(300, 1_000)
    assert some.value is not None
    assert some.low is not None
    assert Share(clopper_pearson(280, 1_000), some).tolerance(*bounds) == pytest.approx(some.value - some.low)
    assert Share(clopper_pearson(3, 10), clopper_pearson(5, 10)).tolerance(*bounds) == pytest.approx(0.05)


def test_shares_are_of_every_outcome_of_either_side() -> None:
    shares = outcome_shares(Window(ending(REJECTED, 0.2)), Window(ending(TIMEOUT, 0.1)))
    assert {name: round(share.difference, 9) for name, share in shares.items()} == {"ok": -0.1, "rejected": 0.2, "timeout": -0.1}
