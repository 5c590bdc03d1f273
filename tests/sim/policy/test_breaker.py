"""The breaker follows Resilience4j's state machine."""

from __future__ import annotations

import pytest

from sim.policy.breaker import CLOSED, HALF_OPEN, OPEN, BreakerState, allow, permits_call, record, release
from sim.scenario.model import Breaker


def breaker(**given) -> BreakerState:
    return BreakerState(Breaker(**given))


def feed(state: BreakerState, failures: int, successes: int, now_s: float = 0.0) -> None:
    for failed in [True] * failures + [False] * successes:
        record(state, now_s, failed, 0.1)


def test_defaults_are_resilience4js():
    state = breaker()
    assert (state.size, state.minimum_calls, state.failure_rate, state.open_for_s, state.half_open_calls) == (100, 100, 0.5, 60.0, 10)


def test_it_does_not_judge_before_the_minimum_number_of_calls():
    state = breaker()
    feed(state, failures=99, successes=0)
    assert state.state == CLOSED
    feed(state, failures=1, successes=0)
    assert state.state == OPEN


@pytest.mark.parametrize(("failures", "expected"), [(49, CLOSED), (50, OPEN), (51, OPEN)])
def test_it_opens_at_the_failure_rate_itself_not_only_beyond(failures, expected):
    state = breaker()
    feed(state, 0, 100 - failures)
    feed(state, failures, 0)
    assert state.state == expected


def test_the_count_window_forgets_the_oldest_call():
    state = breaker(window_size=4, minimum_calls=4)
    feed(state, failures=1, successes=3)
    feed(state, failures=0, successes=1)  # pushes the failure out
    feed(state, failures=1, successes=0)
    assert state.failed == 1
    assert state.state == CLOSED


def test_slow_calls_trip_it_though_they_succeed():
    state = breaker(window_size=10, minimum_calls=10, slow_after="1s", slow_rate=0.5)
    for number in range(10):
        record(state, 0.0, False, 1.0 if number < 5 else 1.001)  # exactly the threshold is not slow
    assert state.state == OPEN


def test_a_call_that_takes_exactly_the_threshold_is_not_slow():
    state = breaker(window_size=10, minimum_calls=10, slow_after="1s", slow_rate=0.5)
    for number in range(10):
        record(state, 0.0, False, 1.0 if number < 6 else 1.001)
    assert (state.slow, state.state) == (4, CLOSED)


def test_open_refuses_until_its_time_has_passed_and_then_lets_the_permits_through():
    state = breaker(window_size=10, minimum_calls=10, open_for="15s", half_open_calls=3)
    feed(state, failures=10, successes=0, now_s=100.0)
    assert not allow(state, 114.999)
    assert permits_call(state, 115.0)
    assert [allow(state, 115.0) for _ in range(4)] == [True, True, True, False]
    assert state.state == HALF_OPEN


def test_half_open_judges_when_all_its_calls_are_in():
    state = breaker(window_size=10, minimum_calls=10, half_open_calls=4)
    feed(state, failures=10, successes=0)
    assert all(allow(state, 60.0) for _ in range(4))
    feed(state, failures=1, successes=2, now_s=61.0)
    assert state.state == HALF_OPEN
    feed(state, failures=0, successes=1, now_s=61.0)
    assert state.state == CLOSED
    assert state.calls == 0, "closed starts with an empty window"


def test_half_open_opens_again_at_the_failure_rate():
    state = breaker(window_size=10, minimum_calls=10, half_open_calls=4)
    feed(state, failures=10, successes=0)
    assert all(allow(state, 60.0) for _ in range(4))
    feed(state, failures=2, successes=2, now_s=61.0)
    assert state.state == OPEN
    assert not allow(state, 120.9)
    assert allow(state, 121.0)
    assert state.trips == 2


def test_half_open_judges_after_the_minimum_if_that_is_less():
    state = breaker(window_size=10, minimum_calls=2, half_open_calls=5)
    feed(state, failures=2, successes=0)
    assert all(allow(state, 60.0) for _ in range(5))
    feed(state, failures=0, successes=2, now_s=60.1)
    assert state.state == CLOSED


def test_a_released_permit_can_be_taken_again_once():
    state = breaker(window_size=2, minimum_calls=2, half_open_calls=1)
    feed(state, failures=2, successes=0)
    assert allow(state, 60.0)
    assert not allow(state, 60.0)
    assert not permits_call(state, 60.0)
    release(state)
    assert state.permits == 1
    assert permits_call(state, 60.0)
    release(state)
    assert state.permits == 1, "there are never more permits than calls in half-open"
    assert allow(state, 60.0)
    assert not allow(state, 60.0)


def test_a_release_while_closed_leaves_no_permit_behind():
    state = breaker(window_size=2, minimum_calls=2, half_open_calls=1)
    release(state)
    assert state.permits == 0


def test_results_that_arrive_while_open_change_nothing():
    state = breaker(window_size=2, minimum_calls=2)
    feed(state, failures=2, successes=0)
    feed(state, failures=0, successes=50, now_s=1.0)
    assert state.state == OPEN
    assert state.calls == 0


def test_the_time_window_forgets_by_the_second():
    state = breaker(window="time", window_size=10, minimum_calls=100)
    feed(state, failures=3, successes=0, now_s=0.5)
    feed(state, failures=0, successes=3, now_s=9.9)
    assert state.calls == 6
    record(state, 10.0, True, 0.1)  # second 0 has left
    assert (state.calls, state.failed, state.state) == (4, 1, CLOSED)
    record(state, 500.0, False, 0.1)
    assert (state.calls, state.failed) == (1, 0)


def test_a_time_window_is_empty_after_it_has_tripped():
    state = breaker(window="time", window_size=10, minimum_calls=4, half_open_calls=1)
    feed(state, failures=4, successes=0, now_s=3.0)
    assert state.state == OPEN
    assert allow(state, 63.0)
    feed(state, failures=0, successes=1, now_s=63.0)
    assert state.state == CLOSED
    for second in range(64, 90):
        record(state, float(second), False, 0.1)
    assert (state.calls, state.failed, state.slow) == (10, 0, 0)


def test_polly_and_hystrix_presets():
    assert (breaker(preset="polly").failure_rate, breaker(preset="polly").half_open_calls) == (0.1, 1)
    assert (breaker(preset="hystrix").minimum_calls, breaker(preset="hystrix").open_for_s) == (20, 5.0)
