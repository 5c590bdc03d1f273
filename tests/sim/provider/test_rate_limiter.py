"""Each limiter allows its rate, in its own way."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from scipy import stats

from sim.provider.rate_limiter import ALGORITHMS, give_back, left, limit_of, ring_of, take, wait_s
from sim.scenario.units import Rate


class Limiter:
    def __init__(self, algorithm: str, limit: Rate) -> None:
        self.limit, self.ring = limit_of(limit, algorithm), ring_of(limit, algorithm)

    def take(self, now_s: float, cost: float = 1.0) -> bool:
        return take(self.limit, self.ring, now_s, cost)

    def wait_s(self, now_s: float, cost: float = 1.0) -> float:
        return wait_s(self.limit, self.ring, now_s, cost)


def accepted(algorithm: str, limit: Rate, times: Iterable[float]) -> list[bool]:
    limiter = Limiter(algorithm, limit)
    return [limiter.take(now_s) for now_s in times]


def test_a_bucket_holds_one_windows_worth_and_refills_steadily() -> None:
    assert accepted("token-bucket", Rate(3, 1.0), [0.0, 0.0, 0.0, 0.0, 0.33, 0.34, 0.35]) == [True, True, True, False, False, True, False]


def test_a_sliding_log_looks_back_exactly_one_window() -> None:
    assert accepted("sliding-log", Rate(2, 1.0), [0.0, 0.5, 0.9, 1.0, 1.1, 1.5]) == [True, True, False, True, False, True]


def test_a_fixed_window_resets_by_the_calendar() -> None:
    assert accepted("fixed-window", Rate(2, 60.0), [59.0, 59.5, 59.9, 60.0, 60.1, 60.2]) == [True, True, False, True, True, False]


def test_an_anchored_window_starts_at_its_first_request_and_counts_refused_ones() -> None:
    assert accepted("anchored-window", Rate(2, 60.0), [59.0, 60.0, 100.0, 118.9, 119.0]) == [True, True, False, False, True]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_stated_wait_is_just_long_enough(algorithm: str) -> None:
    limiter = Limiter(algorithm, Rate(5, 10.0))
    now_s = 3.0
    while limiter.take(now_s):
        now_s += 0.01
    wait = limiter.wait_s(now_s)
    assert 0 < wait <= 10.0
    assert limiter.take(now_s + wait + 1e-9)


def test_a_cost_beyond_the_burst_passes_on_a_full_bucket_and_is_paid_off() -> None:
    bucket = Limiter("token-bucket", Rate(100, 1.0))
    assert bucket.take(0.0, 250.0)
    assert not bucket.take(1.0)
    assert bucket.wait_s(1.0) == pytest.approx(0.51)


def test_a_bucket_says_how_long_until_there_is_enough() -> None:
    bucket = Limiter("token-bucket", Rate(10.0, 2.0))  # ten tokens, five more a second
    assert bucket.take(0.0, 10.0)
    assert bucket.wait_s(0.0, 4.0) == pytest.approx(0.8)
    assert bucket.wait_s(0.4, 4.0) == pytest.approx(0.4), "what has flowed back meanwhile counts"
    assert bucket.wait_s(5.0, 4.0) == 0.0
    assert not bucket.take(0.79, 4.0)
    assert bucket.take(0.81, 4.0)


def test_a_fixed_window_goes_by_the_calendar_whatever_its_length() -> None:
    window = Limiter("fixed-window", Rate(2.0, 60.0))
    taken = [window.take(now_s) for now_s in (50.0, 55.0, 59.9, 60.0, 119.0, 119.9, 120.0)]
    assert taken == [True, True, False, True, True, False, True]
    assert window.limit.at_s == 120.0
    assert (window.wait_s(150.0), window.wait_s(500.0)) == (30.0, 0.0)


def test_a_sliding_log_takes_whole_requests_from_the_first_on() -> None:
    log = Limiter("sliding-log", Rate(2.0, 10.0))
    assert [log.take(now_s) for now_s in (0.0, 1.0, 9.9, 10.0, 10.5, 11.0)] == [True, True, False, True, False, True]
    assert (log.wait_s(15.0), log.wait_s(99.0)) == (5.0, 0.0)
    assert len(ring_of(Rate(0.5, 10.0), "sliding-log")) == 1
    assert accepted("sliding-log", Rate(0.5, 10.0), [0.0, 5.0, 10.0]) == [True, False, True]


@pytest.mark.parametrize("algorithm", ["token-bucket", "fixed-window", "anchored-window"])
def test_what_is_given_back_can_be_taken_again(algorithm: str) -> None:
    limiter = Limiter(algorithm, Rate(100, 10.0))
    assert limiter.take(0.0, 100.0)
    assert not limiter.take(0.0, 1.0)
    give_back(limiter.limit, 0.0, 61.0)
    assert limiter.take(0.0, 60.0)
    give_back(limiter.limit, 0.0, -30.0)
    assert not limiter.take(0.0, 1.0), "charged too little at first"


def test_no_more_is_given_back_than_was_there() -> None:
    bucket, window = Limiter("token-bucket", Rate(10, 10.0)), Limiter("fixed-window", Rate(10, 10.0))
    give_back(bucket.limit, 5.0, 100.0)
    assert bucket.limit.level == 10.0
    assert window.take(1.0, 4.0)
    give_back(window.limit, 11.0, 4.0)
    assert window.limit.level == 4.0, "that window is over"
    give_back(window.limit, 9.0, 5.0)
    assert window.limit.level == 0.0


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [("token-bucket", (8, 2.0)), ("sliding-log", (7, 9.0)), ("fixed-window", (7, 8.0)), ("anchored-window", (7, 9.0))],
)
def test_headers_say_what_is_left_and_when_all_of_it_is_there_again(algorithm: str, expected: tuple[float, float]) -> None:
    limiter = Limiter(algorithm, Rate(10, 10.0))
    assert all(limiter.take(1.0) for _ in range(3))
    assert left(limiter.limit, limiter.ring, 2.0) == pytest.approx(expected)
    assert left(limiter.limit, limiter.ring, 50.0) == (10, 0.0)


# Loss of Poisson traffic at 8/s against 10/s with burst 10: M/D/1/b for the bucket, E(N-L)+/m for the window, Erlang B for the log.
@pytest.mark.parametrize(("algorithm", "loss"), [("token-bucket", 0.00363923), ("fixed-window", 0.053233), ("sliding-log", 0.121661)])
def test_poisson_traffic_loses_what_theory_says(algorithm: str, loss: float) -> None:
    rng = np.random.default_rng(5)
    shares = []
    for _ in range(20):
        times = np.cumsum(rng.exponential(1 / 8.0, 20_000)).tolist()
        shares.append(1 - np.mean(accepted(algorithm, Rate(10, 1.0), times)))
    half = stats.t.ppf(0.999, 19) * np.std(shares, ddof=1) / np.sqrt(20)
    assert abs(np.mean(shares) - loss) < half
