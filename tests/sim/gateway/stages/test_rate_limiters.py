"""Limiters against small models of them, and at their edges; ``tests/sim/provider/test_rate_limiter.py`` says what each allows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.provider.rate_limiter import left, limit_of, ring_of, take
from sim.scenario.units import Rate
from tests.examples import examples


class Limiter:
    def __init__(self, algorithm, count, window_s):
        rate = Rate(count, window_s)
        self.limit, self.ring = limit_of(rate, algorithm), ring_of(rate, algorithm)

    def take(self, now_s, cost=1.0):
        return take(self.limit, self.ring, now_s, cost)

    def accepted(self, times_s):
        return [self.take(now_s) for now_s in times_s]


def test_an_anchored_window_counts_what_it_refuses():
    counting = Limiter("anchored-window", 2, 60.0)
    counting.accepted([0.0, 1.0, 2.0, 3.0])
    assert counting.limit.level == 4.0


@pytest.mark.parametrize("algorithm", ["token-bucket", "sliding-log", "fixed-window", "anchored-window"])
def test_a_limiter_begins_with_all_that_it_allows(algorithm):
    limiter = Limiter(algorithm, 7, 60.0)
    assert left(limiter.limit, limiter.ring, 0.0) == (7, 0.0)
    assert limiter.accepted([0.0] * 8) == [True] * 7 + [False]


@pytest.mark.parametrize("algorithm", ["fixed-window", "anchored-window"])
def test_a_cost_beyond_the_count_passes_in_an_empty_window_and_in_no_other(algorithm):
    assert Limiter(algorithm, 100, 60.0).take(0.0, 250.0)
    started = Limiter(algorithm, 100, 60.0)
    assert (started.take(0.0), started.take(1.0, 250.0)) == (True, False)


STEPS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 3.0, 20.0]), st.integers(1, 12)), max_size=60)


@settings(max_examples=examples(200), deadline=None)
@given(STEPS)
def test_a_bucket_lets_no_more_through_than_its_burst_and_its_rate(steps):
    """10 tokens, 2 a second: in any span of time at most 10 + 2 s, and one cost beyond the burst where it was full."""
    bucket, now_s, level, taken = Limiter("token-bucket", 10, 5.0), 0.0, 10.0, []
    for after_s, cost in steps:
        now_s += after_s
        level = min(10.0, level + 2.0 * after_s)
        expected = level + 1e-9 >= min(cost, 10.0)
        if abs(level - min(cost, 10.0)) > 1e-6:  # at the very edge rounding decides
            assert bucket.take(now_s, float(cost)) == expected
        else:
            expected = bucket.take(now_s, float(cost))
        if expected:
            level -= cost
            taken.append((now_s, cost))
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            total = sum(cost for _, cost in taken[first : last + 1])
            assert total <= 10.0 + 2.0 * (taken[last][0] - taken[first][0]) + max(0, taken[last][1] - 10) + 1e-6


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(1, 5), st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 4.0]), max_size=60))
def test_a_sliding_log_never_has_more_than_its_count_in_one_window(count, gaps_s):
    log, now_s, accepted = Limiter("sliding-log", count, 2.0), 0.0, []
    for after_s in gaps_s:
        now_s += after_s
        recent = [at_s for at_s in accepted if at_s > now_s - 2.0]
        assert log.take(now_s) == (len(recent) < count)
        if len(recent) < count:
            accepted.append(now_s)
