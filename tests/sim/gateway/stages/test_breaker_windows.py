"""What a breaker is set to, and what its window remembers and forgets, at the edges."""

from __future__ import annotations

from math import inf

import pytest

from sim.gateway.stages.breaker import CLOSED, OPEN, record
from tests.sim.gateway.by_hand import by_hand

SLOW, QUICK = True, False


class Breaker:
    """One circuit by itself."""

    def __init__(self, **settings):
        self.g = by_hand(breaker=settings).g
        self.s, self.circuit, self.ring = self.g.breaker, self.g.circuits[0], self.g.results[0]

    def record(self, now_s=0.0, failed=False, slow=QUICK):
        record(self.g, 0, failed, slow, now_s)

    @property
    def counts(self):
        return self.circuit.calls, self.circuit.failed, self.circuit.slow


def slow_breaker(**settings):
    return Breaker(**{"window_size": 4, "minimum_calls": 4, "slow_after": "1s", "slow_rate": 0.75} | settings)


# Published defaults: Resilience4j's CircuitBreakerConfig, Polly's CircuitBreakerStrategyOptions, HystrixCommandProperties.
@pytest.mark.parametrize(
    ("preset", "timed", "size", "minimum", "failure", "slow", "slow_after_s", "open_for_s", "probes"),
    [
        ("resilience4j", False, 100, 100, 0.5, 1.0, 60.0, 60.0, 10),
        ("polly", True, 30, 100, 0.1, 1.0, inf, 5.0, 1),
        ("hystrix", True, 10, 20, 0.5, 1.0, inf, 5.0, 1),
    ],
)
def test_presets_are_the_published_defaults(preset, timed, size, minimum, failure, slow, slow_after_s, open_for_s, probes):
    breaker = Breaker(preset=preset)
    s = breaker.s
    assert (s.timed, s.size, s.minimum_calls) == (timed, size, minimum)
    assert (s.failure_rate, s.slow_rate, s.slow_after_s) == (failure, slow, slow_after_s)
    assert (s.open_for_s, s.half_open_calls) == (open_for_s, probes)
    assert len(breaker.ring) == (3 * size if timed else size)


def test_the_preset_is_resilience4j_unless_another_is_named_and_words_given_prevail():
    s = Breaker(open_for="7s").s
    assert (s.size, s.minimum_calls, s.failure_rate, s.open_for_s, s.half_open_calls) == (100, 100, 0.5, 7.0, 10)
    assert Breaker(preset="polly", failure_rate=0.3).s.failure_rate == 0.3


def test_it_begins_closed_and_with_nothing_seen():
    breaker = Breaker()
    assert breaker.circuit.state == CLOSED
    assert (breaker.counts, breaker.s.trips, breaker.circuit.place, breaker.circuit.second) == ((0, 0, 0), 0, 0, 0)
    assert not any(breaker.ring)


def test_the_rings_of_two_targets_are_apart():
    g = by_hand(breaker={}).g
    assert g.results[0] is not g.results[1]


def test_a_count_window_smaller_than_the_minimum_judges_when_it_is_full():
    breaker = Breaker(window_size=5, minimum_calls=100)
    assert breaker.s.minimum_calls == 5
    for _ in range(5):
        breaker.record(failed=True)
    assert breaker.circuit.state == OPEN


def test_a_time_window_may_need_more_calls_than_it_has_seconds():
    assert Breaker(window="time", window_size=5, minimum_calls=100).s.minimum_calls == 100


def test_the_count_window_forgets_the_oldest_call():
    breaker = Breaker(window_size=4, minimum_calls=4)
    for failed in (True, False, False, False, False, True):  # the fifth pushes the first failure out
        breaker.record(failed=failed)
    assert breaker.circuit.failed == 1
    assert breaker.circuit.state == CLOSED


@pytest.mark.parametrize(("durations_s", "slow", "state"), [((1.0,) * 5 + (1.001,) * 5, 0, OPEN), ((1.0,) * 6 + (1.001,) * 4, 4, CLOSED)])
def test_slow_calls_trip_it_though_they_succeed_and_exactly_the_threshold_is_not_slow(durations_s, slow, state):
    hand = by_hand(breaker={"window_size": 10, "minimum_calls": 10, "slow_after": "1s", "slow_rate": 0.5})
    for duration_s in durations_s:
        hand.answer(hand.start(0.0), duration_s)
    assert (hand.g.circuits[0].slow, hand.g.circuits[0].state) == (slow, state)


def test_slow_calls_count_against_their_own_rate():
    breaker = slow_breaker()
    for slow in (SLOW, SLOW, QUICK, QUICK):
        breaker.record(slow=slow)
    assert (breaker.circuit.slow, breaker.circuit.state) == (2, CLOSED), "half are slow, three quarters would be too many"


def test_the_count_window_forgets_slow_calls_too():
    breaker = slow_breaker()
    for slow in (SLOW, SLOW, QUICK, QUICK, QUICK, QUICK):
        breaker.record(slow=slow)
    assert breaker.counts == (4, 0, 0)


def test_a_call_can_be_both_slow_and_failed_and_is_forgotten_as_both():
    breaker = slow_breaker(failure_rate=1.0, slow_rate=1.0)
    for failed, slow in ((True, SLOW), (True, QUICK), (False, SLOW), (False, QUICK)):
        breaker.record(failed=failed, slow=slow)
    assert breaker.counts == (4, 2, 2)
    for _ in range(4):
        breaker.record()
    assert breaker.counts == (4, 0, 0)


def test_the_time_window_forgets_by_the_second():
    breaker = Breaker(window="time", window_size=10, minimum_calls=100)
    for failed, now_s in [(True, 0.5)] * 3 + [(False, 9.9)] * 3:
        breaker.record(now_s, failed)
    assert breaker.counts == (6, 3, 0)
    breaker.record(10.0, True)  # second 0 has left
    assert (breaker.counts, breaker.circuit.state) == ((4, 1, 0), CLOSED)
    breaker.record(500.0)
    assert breaker.counts == (1, 0, 0)


def test_the_time_window_forgets_each_second_as_it_was():
    breaker = slow_breaker(window="time", window_size=3, minimum_calls=100)
    for now_s, failed, slow in ((0.5, True, SLOW), (1.5, False, SLOW), (2.5, True, QUICK)):
        breaker.record(now_s, failed, slow)
    assert breaker.counts == (3, 2, 2)
    breaker.record(3.5)
    assert breaker.counts == (3, 1, 1), "second 0 is gone"
    breaker.record(4.5)
    assert breaker.counts == (3, 1, 0), "second 1 is gone"
    breaker.record(99.5)
    assert breaker.counts == (1, 0, 0), "all of them are gone"


def test_a_time_window_is_empty_after_it_has_tripped():
    breaker = Breaker(window="time", window_size=10, minimum_calls=4, half_open_calls=1)
    for _ in range(4):
        breaker.record(3.0, failed=True)
    assert breaker.circuit.state == OPEN
    assert not any(breaker.ring)
    breaker.circuit.state = CLOSED
    for second in range(64, 90):
        breaker.record(float(second))
    assert breaker.counts == (10, 0, 0)
