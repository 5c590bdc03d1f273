"""What windows, buckets and budgets remember and forget, at their edges."""

from __future__ import annotations

import pytest

from sim.policy.breaker import CLOSED, HALF_OPEN, OPEN, BreakerState, allow, record
from sim.policy.context import ContextRule, context
from sim.policy.limiter import (
    SlidingLog,
    TokenBucket,
    Window,
    take_from_bucket,
    take_from_fixed_window,
    take_from_log,
    wait_for_bucket,
    wait_for_log,
    wait_for_window,
)
from sim.policy.router import TargetState
from sim.scenario.model import Breaker, BudgetContext
from sim.scenario.units import Rate

SLOW_S, QUICK_S = 5.0, 0.1


def slow_breaker(**settings) -> BreakerState:
    return BreakerState(Breaker(**{"window_size": 4, "minimum_calls": 4, "slow_after": "1s", "slow_rate": 0.75} | settings))


def test_slow_calls_count_against_their_own_rate():
    state = slow_breaker()
    for duration_s in (SLOW_S, SLOW_S, QUICK_S, QUICK_S):
        assert not record(state, 0.0, False, duration_s)
    assert (state.slow, state.state) == (2, CLOSED), "half are slow, three quarters would be too many"


def test_the_count_window_forgets_slow_calls_too():
    state = slow_breaker()
    for duration_s in (SLOW_S, SLOW_S, QUICK_S, QUICK_S, QUICK_S, QUICK_S):
        record(state, 0.0, False, duration_s)
    assert (state.slow, state.failed, state.calls) == (0, 0, 4)


def test_a_call_can_be_both_slow_and_failed_and_is_forgotten_as_both():
    state = slow_breaker(failure_rate=1.0, slow_rate=1.0)
    for failed, duration_s in ((True, SLOW_S), (True, QUICK_S), (False, SLOW_S), (False, QUICK_S)):
        record(state, 0.0, failed, duration_s)
    assert (state.failed, state.slow) == (2, 2)
    for _ in range(4):
        record(state, 0.0, False, QUICK_S)
    assert (state.failed, state.slow) == (0, 0)


def test_the_time_window_forgets_each_second_as_it_was():
    state = slow_breaker(window="time", window_size=3, minimum_calls=100)
    record(state, 0.5, True, SLOW_S)
    record(state, 1.5, False, SLOW_S)
    record(state, 2.5, True, QUICK_S)
    assert (state.calls, state.failed, state.slow) == (3, 2, 2)
    record(state, 3.5, False, QUICK_S)
    assert (state.calls, state.failed, state.slow) == (3, 1, 1), "second 0 is gone"
    record(state, 4.5, False, QUICK_S)
    assert (state.calls, state.failed, state.slow) == (3, 1, 0), "second 1 is gone"
    record(state, 99.5, False, QUICK_S)
    assert (state.calls, state.failed, state.slow) == (1, 0, 0), "all of them are gone"


def test_slow_probes_open_it_again():
    state = slow_breaker(open_for="1s", half_open_calls=2)
    for _ in range(4):
        record(state, 0.0, False, SLOW_S)
    assert state.state == OPEN
    assert allow(state, 1.0)
    assert allow(state, 1.0)
    assert not record(state, 2.0, False, SLOW_S), "one of two results: nothing is decided"
    assert state.state == HALF_OPEN
    assert record(state, 2.0, False, SLOW_S), "a move, and told"
    assert (state.state, state.trips) == (OPEN, 2)


def test_only_a_move_is_told():
    state = slow_breaker()
    assert [record(state, 0.0, True, QUICK_S) for _ in range(5)] == [False, False, False, True, False]


@pytest.mark.parametrize(("budget", "kept"), [(99, 0), (100, 1), (299, 1), (300, 2), (599, 2), (600, 3), (10_000, 3)])
def test_a_budget_of_context_is_used_to_its_last_token(budget, kept):
    rule = ContextRule(BudgetContext(kind="budget", tokens=budget))
    assert context(rule, [300, 200, 100]) == (kept, 0)


def test_a_bucket_says_how_long_until_there_is_enough():
    bucket = TokenBucket(Rate(10.0, 2.0))  # ten tokens, five more a second
    assert take_from_bucket(bucket, 0.0, 10.0)
    assert wait_for_bucket(bucket, 0.0, 4.0) == pytest.approx(0.8)
    assert wait_for_bucket(bucket, 0.4, 4.0) == pytest.approx(0.4), "what has flowed back meanwhile counts"
    assert wait_for_bucket(bucket, 5.0, 4.0) == 0.0
    assert not take_from_bucket(bucket, 0.79, 4.0)
    assert take_from_bucket(bucket, 0.81, 4.0)


def test_a_fixed_window_goes_by_the_calendar_whatever_its_length():
    window = Window(Rate(2.0, 60.0))
    assert (window.start_s, window.used) == (float("-inf"), 0.0)
    taken = [take_from_fixed_window(window, now_s, 1.0) for now_s in (50.0, 55.0, 59.9, 60.0, 119.0, 119.9, 120.0)]
    assert taken == [True, True, False, True, True, False, True]
    assert window.start_s == 120.0
    assert wait_for_window(window, 150.0, 1.0) == 30.0
    assert wait_for_window(window, 500.0, 1.0) == 0.0


def test_a_sliding_log_takes_whole_requests_from_the_first_on():
    log = SlidingLog(Rate(2.0, 10.0))
    assert (len(log.ring), log.oldest) == (2, 0)
    assert [take_from_log(log, now_s, 1.0) for now_s in (0.0, 1.0, 9.9, 10.0, 10.5, 11.0)] == [True, True, False, True, False, True]
    assert wait_for_log(log, 15.0, 1.0) == 5.0
    assert wait_for_log(log, 99.0, 1.0) == 0.0
    assert len(SlidingLog(Rate(0.5, 10.0)).ring) == 1


def test_a_target_begins_unused_and_with_its_first_key():
    target = TargetState(3, "alpha/mini/v2", 2, None, (1.0, 4.0))
    assert (target.provider, target.model) == ("alpha", "mini/v2")
    assert (target.next_key, target.in_flight, target.latency_s, target.cached_saving_usd) == (0, 0, 0.0, 0.0)
