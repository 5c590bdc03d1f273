"""What policies begin with: published defaults, empty state, and what they say without changing anything."""

from __future__ import annotations

import pytest

from sim.policy.admission import Admission, enter, leave
from sim.policy.breaker import CLOSED, HALF_OPEN, OPEN, BreakerState, allow, permits_call, record
from sim.policy.retry import RESERVE, RetryBudget, deserves_retry, withdraw
from sim.scenario.model import Breaker, Queue

NEVER = float("inf")


@pytest.mark.parametrize(
    ("preset", "timed", "size", "minimum", "failure", "slow", "slow_after_s", "open_for_s", "probes"),
    [
        ("resilience4j", False, 100, 100, 0.5, 1.0, 60.0, 60.0, 10),
        ("polly", True, 30, 100, 0.1, 1.0, NEVER, 5.0, 1),
        ("hystrix", True, 10, 20, 0.5, 1.0, NEVER, 5.0, 1),
    ],
)
def test_presets_are_the_published_defaults(preset, timed, size, minimum, failure, slow, slow_after_s, open_for_s, probes):
    state = BreakerState(Breaker(preset=preset))
    assert (state.timed, state.size, state.minimum_calls) == (timed, size, minimum)
    assert (state.failure_rate, state.slow_rate, state.slow_after_s) == (failure, slow, slow_after_s)
    assert (state.open_for_s, state.half_open_calls) == (open_for_s, probes)
    assert len(state.ring) == (3 * size if timed else size)


def test_a_breaker_begins_closed_and_with_nothing_seen():
    state = BreakerState(Breaker())
    assert state.state == CLOSED
    assert (state.calls, state.failed, state.slow, state.trips, state.place, state.second) == (0, 0, 0, 0, 0, 0)
    assert not any(state.ring)


def test_a_count_window_smaller_than_the_minimum_judges_when_it_is_full():
    state = BreakerState(Breaker(window_size=5, minimum_calls=100))
    assert state.minimum_calls == 5
    for _ in range(5):
        record(state, 0.0, True, 0.1)
    assert state.state == OPEN


def test_a_breaker_says_beforehand_what_it_would_allow():
    state = BreakerState(Breaker(window_size=2, minimum_calls=2, open_for="10s", half_open_calls=1))
    assert permits_call(state, 100.0)
    for _ in range(2):
        record(state, 100.0, True, 0.1)
    assert not permits_call(state, 100.0)
    assert not permits_call(state, 109.9)
    assert permits_call(state, 110.0)
    assert state.state == OPEN, "asking changes nothing"
    assert allow(state, 110.0)
    assert state.state == HALF_OPEN
    assert not permits_call(state, 110.0), "its one permit is taken"


def test_a_tripped_breaker_forgets_everything():
    """After a trip and a good probe, the old failures must not count again."""
    state = BreakerState(Breaker(window_size=4, minimum_calls=4, open_for="1s", half_open_calls=1))
    for failed in (False, True, True, True):
        record(state, 0.0, failed, 0.1)
    assert state.trips == 1
    assert allow(state, 2.0)
    record(state, 2.0, False, 0.1)
    assert (state.state, state.calls, state.failed, state.place) == (CLOSED, 0, 0, 0)
    for failed in (True, False, False, False, False):
        record(state, 3.0, failed, 0.1)
    assert (state.state, state.calls, state.failed) == (CLOSED, 4, 0)


def test_an_admission_begins_empty_and_unlimited_where_nothing_is_said():
    admission = Admission(Queue(concurrency="unlimited", waiting="unlimited"))
    assert (admission.in_service, admission.waiting, admission.waited_s, admission.at_s) == (0, 0, 0.0, 0.0)
    assert (admission.concurrency, admission.capacity, admission.timeout_s) == (NEVER, NEVER, NEVER)
    assert Admission(Queue(concurrency=1)).capacity == 0


def test_a_slot_given_back_can_be_taken_again_and_only_once():
    admission = Admission(Queue(concurrency=1))
    for _ in range(3):
        ticket = enter(admission, 0.0)
        assert ticket is not None
        assert enter(admission, 0.0) is None
        assert leave(admission, ticket, 0.0) is None
    assert admission.in_service == 0


def test_a_retry_costs_a_whole_token():
    budget = RetryBudget(0.1)
    assert budget.balance == RESERVE == 10.0
    assert [withdraw(budget) for _ in range(11)] == [True] * 10 + [False]
    budget.balance = 1.0
    assert withdraw(budget), "exactly one is enough"


@pytest.mark.parametrize(
    ("status", "expected"), [(400, False), (404, False), (408, True), (409, True), (410, False), (429, True), (499, False), (500, True)]
)
def test_statuses_that_deserve_a_retry(status, expected):
    assert deserves_retry(status) == expected
