"""Each limiter allows its rate, in its own way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sim.policy.limiter import ALGORITHMS
from sim.scenario.units import Rate


def accepted(algorithm: str, limit: Rate, times) -> list[bool]:
    state_type, take, _ = ALGORITHMS[algorithm]
    state = state_type(limit)
    return [take(state, now_s, 1.0) for now_s in times]


def test_a_bucket_holds_one_windows_worth_and_refills_steadily():
    assert accepted("token-bucket", Rate(3, 1.0), [0.0, 0.0, 0.0, 0.0, 0.33, 0.34, 0.35]) == [True, True, True, False, False, True, False]


def test_a_sliding_log_looks_back_exactly_one_window():
    assert accepted("sliding-log", Rate(2, 1.0), [0.0, 0.5, 0.9, 1.0, 1.1, 1.5]) == [True, True, False, True, False, True]


def test_a_fixed_window_resets_by_the_calendar():
    assert accepted("fixed-window", Rate(2, 60.0), [59.0, 59.5, 59.9, 60.0, 60.1, 60.2]) == [True, True, False, True, True, False]


def test_an_anchored_window_starts_at_its_first_request_and_counts_refused_ones():
    assert accepted("anchored-window", Rate(2, 60.0), [59.0, 60.0, 100.0, 118.9, 119.0]) == [True, True, False, False, True]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_stated_wait_is_just_long_enough(algorithm):
    state_type, take, wait = ALGORITHMS[algorithm]
    state = state_type(Rate(5, 10.0))
    now_s = 3.0
    while take(state, now_s, 1.0):
        now_s += 0.01
    wait_s = wait(state, now_s, 1.0)
    assert 0 < wait_s <= 10.0
    assert take(state, now_s + wait_s + 1e-9, 1.0)


def test_a_cost_beyond_the_burst_passes_on_a_full_bucket_and_is_paid_off():
    state_type, take, wait = ALGORITHMS["token-bucket"]
    state = state_type(Rate(100, 1.0))
    assert take(state, 0.0, 250.0)
    assert not take(state, 1.0, 1.0)
    assert wait(state, 1.0, 1.0) == pytest.approx(0.51)


# Loss of Poisson traffic at 8/s against 10/s with burst 10: M/D/1/b for the bucket, E(N-L)+/m for the window, Erlang B for the log.
@pytest.mark.parametrize(("algorithm", "loss"), [("token-bucket", 0.00363923), ("fixed-window", 0.053233), ("sliding-log", 0.121661)])
def test_poisson_traffic_loses_what_theory_says(algorithm, loss):
    rng = np.random.default_rng(5)
    shares = []
    for _ in range(20):
        times = np.cumsum(rng.exponential(1 / 8.0, 20_000)).tolist()
        shares.append(1 - np.mean(accepted(algorithm, Rate(10, 1.0), times)))
    half = stats.t.ppf(0.999, 19) * np.std(shares, ddof=1) / np.sqrt(20)
    assert abs(np.mean(shares) - loss) < half
