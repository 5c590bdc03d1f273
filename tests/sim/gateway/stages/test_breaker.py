"""The breaker follows Resilience4j's state machine."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.gateway.events import KINDS
from sim.gateway.hooks import permits
from sim.gateway.stages.breaker import CLOSED, HALF_OPEN, MOVED, OPEN
from sim.kernel.refusals import NAMES
from tests.examples import examples
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, serve_at

OUTAGE = {"kind": "outage", "provider": "a", "at": "0s", "for": "1000s"}
ONLY_A = {"kind": "round-robin", "models": ["a/one"]}


def breaker(**settings):
    return by_hand(breaker=settings, routing=ONLY_A)


def circuit(hand):
    return hand.g.circuits[0]


def feed(hand, failures, successes, now_s=0.0):
    """Calls that end at once."""
    for status in [503] * failures + [200] * successes:
        hand.answer(hand.start(now_s), now_s, status=status)


def allowed(hand, now_s, times=1):
    """How many of so many calls are let through; they stay under way."""
    return sum(hand.start(now_s).state == "performing" for _ in range(times))


def test_it_does_not_judge_before_the_minimum_number_of_calls():
    hand = breaker()
    feed(hand, failures=99, successes=0)
    assert circuit(hand).state == CLOSED
    feed(hand, failures=1, successes=0)
    assert circuit(hand).state == OPEN


@pytest.mark.parametrize(("failures", "expected"), [(49, CLOSED), (50, OPEN), (51, OPEN)])
def test_it_opens_at_the_failure_rate_itself_not_only_beyond(failures, expected):
    hand = breaker()
    feed(hand, 0, 100 - failures)
    feed(hand, failures, 0)
    assert circuit(hand).state == expected


def test_open_refuses_until_its_time_has_passed_and_then_lets_the_permits_through():
    hand = breaker(window_size=10, minimum_calls=10, open_for="15s", half_open_calls=3)
    feed(hand, failures=10, successes=0, now_s=100.0)
    assert allowed(hand, 114.999) == 0
    assert permits(hand.g, 0, 115.0)
    assert circuit(hand).state == OPEN, "asking changes nothing"
    assert allowed(hand, 115.0, times=4) == 3
    assert circuit(hand).state == HALF_OPEN
    assert not permits(hand.g, 0, 115.0), "its permits are taken"


def test_half_open_judges_when_all_its_calls_are_in():
    hand = breaker(window_size=10, minimum_calls=10, half_open_calls=4)
    feed(hand, failures=10, successes=0)
    probes = [hand.start(60.0) for _ in range(4)]
    for c, status in zip(probes, (503, 200, 200), strict=False):
        hand.answer(c, 61.0, status=status)
    assert circuit(hand).state == HALF_OPEN
    hand.answer(probes[3], 61.0)
    assert circuit(hand).state == CLOSED
    assert circuit(hand).calls == 0, "closed starts with an empty window"


def test_half_open_opens_again_at_the_failure_rate():
    hand = breaker(window_size=10, minimum_calls=10, half_open_calls=4)
    feed(hand, failures=10, successes=0)
    for c, status in zip([hand.start(60.0) for _ in range(4)], (503, 503, 200, 200), strict=True):
        hand.answer(c, 61.0, status=status)
    assert circuit(hand).state == OPEN
    assert (allowed(hand, 120.9), allowed(hand, 121.0)) == (0, 1)
    assert hand.g.breaker.trips == 2


def test_half_open_judges_after_the_minimum_if_that_is_less():
    hand = breaker(window_size=10, minimum_calls=2, half_open_calls=5)
    feed(hand, failures=2, successes=0)
    for c in [hand.start(60.0) for _ in range(5)][:2]:
        hand.answer(c, 60.1)
    assert circuit(hand).state == CLOSED


def test_slow_probes_open_it_again():
    hand = breaker(window_size=4, minimum_calls=4, slow_after="1s", slow_rate=0.75, open_for="1s", half_open_calls=2)
    for c in [hand.start(0.0) for _ in range(4)]:
        hand.answer(c, 5.0)
    assert circuit(hand).state == OPEN
    first, second = hand.start(6.0), hand.start(6.0)
    hand.answer(first, 8.0)
    assert circuit(hand).state == HALF_OPEN, "one of two results: nothing is decided"
    hand.answer(second, 8.0)
    assert (circuit(hand).state, hand.g.breaker.trips) == (OPEN, 2)


@pytest.mark.parametrize("status", [400, 401, 404, 408, 429, 499])
def test_a_client_error_says_nothing_of_the_providers_health(status):
    hand = breaker(window_size=2, minimum_calls=2, half_open_calls=1)
    for _ in range(5):
        hand.answer(hand.start(0.0), 0.0, status=status)
    assert (circuit(hand).state, circuit(hand).calls) == (CLOSED, 0)


@pytest.mark.parametrize("status", [500, 503, 529, 0, -1])
def test_server_errors_broken_connections_and_timeouts_do(status):
    hand = breaker(window_size=2, minimum_calls=2)
    for _ in range(2):
        hand.answer(hand.start(0.0), 0.0, status=status)
    assert circuit(hand).state == OPEN


@pytest.mark.parametrize("end", ["leaves", "client error"])
def test_a_permit_given_back_without_a_verdict_can_be_taken_again_once(end):
    hand = breaker(window_size=2, minimum_calls=2, half_open_calls=1)
    feed(hand, failures=2, successes=0)
    probe = hand.start(60.0)
    assert allowed(hand, 60.0) == 0
    if end == "leaves":
        hand.depart(probe, 60.0)
    else:
        hand.answer(probe, 60.0, status=404)
    assert (circuit(hand).state, circuit(hand).permits) == (HALF_OPEN, 1)
    assert allowed(hand, 60.0, times=2) == 1


def test_there_are_never_more_permits_than_calls_in_half_open():
    """A call from before it opened leaves while it is half-open."""
    hand = breaker(window_size=2, minimum_calls=2, half_open_calls=1)
    early = hand.start(0.0)
    feed(hand, failures=2, successes=0)
    hand.depart(hand.start(60.0), 60.0)
    hand.depart(early, 60.0)
    assert circuit(hand).permits == 1


def test_a_call_that_leaves_while_closed_leaves_no_permit_behind():
    hand = breaker(window_size=2, minimum_calls=2, half_open_calls=1)
    hand.depart(hand.start(0.0), 1.0)
    assert circuit(hand).permits == 0


def test_results_that_arrive_while_open_change_nothing():
    hand = breaker(window_size=2, minimum_calls=2)
    late = [hand.start(0.0) for _ in range(50)]
    feed(hand, failures=2, successes=0)
    for c in late:
        hand.answer(c, 1.0)
    assert (circuit(hand).state, circuit(hand).calls) == (OPEN, 0)


def test_a_tripped_breaker_forgets_everything():
    """After a trip and a good probe, the old failures must not count again."""
    hand = breaker(window_size=4, minimum_calls=4, open_for="1s", half_open_calls=1)
    feed(hand, failures=0, successes=1)
    feed(hand, failures=3, successes=0)
    assert hand.g.breaker.trips == 1
    feed(hand, failures=0, successes=1, now_s=2.0)
    assert (circuit(hand).state, circuit(hand).calls, circuit(hand).failed, circuit(hand).place) == (CLOSED, 0, 0, 0)
    feed(hand, failures=1, successes=4, now_s=3.0)
    assert (circuit(hand).state, circuit(hand).calls, circuit(hand).failed) == (CLOSED, 4, 0)


def test_only_its_moves_are_noted():
    hand = breaker(window_size=4, minimum_calls=4, open_for="1s", half_open_calls=1)
    feed(hand, failures=4, successes=0, now_s=5.0)
    assert hand.g.events == [(5.0, MOVED, 0, OPEN)]
    feed(hand, failures=0, successes=1, now_s=6.0)
    assert [KINDS[kind][1][value] for _, kind, _, value in hand.g.events] == ["open", "half-open", "closed"]


def test_each_target_has_its_own():
    hand = by_hand(breaker={"window_size": 1, "minimum_calls": 1})
    hand.answer(hand.start(0.0), 0.0, status=503)
    assert [hand.g.circuits[target].state for target in (0, 1)] == [OPEN, CLOSED]
    assert hand.start(0.0).target == 1


def test_a_call_that_it_refuses_says_so_and_is_not_sent():
    """Two calls pause before their retry; the first one's failure opens the breaker for the second."""
    hand = by_hand(breaker={"window_size": 3, "minimum_calls": 3}, routing=ONLY_A, retry={"attempts": 2, "backoff": {"kind": "constant"}})
    first, second = (hand.answer(hand.start(0.0), 0.0, status=503) for _ in range(2))
    hand.answer(hand.time_comes(first), 0.5, status=503)
    hand.time_comes(second)
    assert (second.state, second.attempts, NAMES[second.refused_by]) == ("error", 1, "breaker")


class TestInTime:
    def test_an_open_breaker_sends_requests_on_at_once(self):
        gateway = {"breaker": {"window_size": 4, "minimum_calls": 4, "open_for": "60s"}, "fallback": ["next-provider"]}
        served = serve_at(scenario(gateway=gateway, faults=[OUTAGE]), [0.0, 1.0, 2.0, 3.0, 4.0])
        assert served.latencies_s == [1.1, 1.1, 1.1, 1.1, 1.0]
        assert [row["target"] for row in served.attempts].count(0) == 4

    def test_an_open_breaker_without_another_provider_fails_fast(self):
        gateway = {"breaker": {"window_size": 2, "minimum_calls": 2}, "routing": ONLY_A}
        served = serve_at(scenario(gateway=gateway, faults=[OUTAGE]), [0.0, 1.0, 2.0])
        assert served.latencies_s == [0.1, 0.1, 0.0]
        assert served.outcomes == ["error"] * 3


class Model:
    """Resilience4j's machine with a list for a window: (second, failed) of the results since it closed."""

    def __init__(self, timed: bool, size: int, minimum: int, open_for_s: float, probes: int) -> None:
        self.timed, self.size, self.minimum = timed, size, minimum if timed else min(minimum, size)
        self.open_for_s, self.probes = open_for_s, probes
        self.state, self.results, self.opened_s, self.taken = CLOSED, [], 0.0, 0

    def allows(self, now_s: float) -> bool:
        if self.state == OPEN and now_s >= self.opened_s + self.open_for_s:
            self.state, self.results, self.taken = HALF_OPEN, [], 0
        if self.state == HALF_OPEN and self.taken < self.probes:
            self.taken += 1
            return True
        return self.state == CLOSED

    def record(self, now_s: float, failed: bool) -> None:
        if self.state == OPEN:
            return
        self.results.append((int(now_s), failed))
        recent = self.results
        if self.state == CLOSED:
            recent = [each for each in recent if each[0] > int(now_s) - self.size] if self.timed else recent[-self.size :]
        minimum = self.minimum if self.state == CLOSED else min(self.minimum, self.probes)
        if len(recent) >= minimum:
            failures = sum(failed for _, failed in recent)
            if failures >= 0.5 * len(recent):
                self.state, self.opened_s, self.results = OPEN, now_s, []
            elif self.state == HALF_OPEN:
                self.state, self.results = CLOSED, []

    def release(self) -> None:
        if self.state == HALF_OPEN:
            self.taken = max(0, self.taken - 1)


@settings(max_examples=examples(150), deadline=None)
@given(
    st.booleans(), st.integers(1, 5), st.integers(1, 5), st.sampled_from([1.0, 4.0]), st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(["start", "good", "bad", "bad", "leaves"]), st.sampled_from([0.0, 0.3, 1.0, 3.0])), max_size=60),
)  # fmt: skip
def test_it_is_the_machine_of_the_model(timed, size, minimum, open_for_s, probes, steps):
    hand = breaker(
        window="time" if timed else "count", window_size=size, minimum_calls=minimum, open_for=f"{open_for_s}s", half_open_calls=probes
    )
    model, under_way, now_s = Model(timed, size, minimum, open_for_s, probes), [], 0.0
    for step, after_s in steps:
        now_s += after_s
        if step == "start":
            allowed = model.allows(now_s) if permits(hand.g, 0, now_s) else False
            c = hand.start(now_s)
            assert (c.state == "performing") == allowed
            if allowed:
                under_way.append(c)
        elif under_way and step == "leaves":
            model.release()
            hand.depart(under_way.pop(0), now_s)
        elif under_way:
            model.record(now_s, step == "bad")
            hand.answer(under_way.pop(0), now_s, status=503 if step == "bad" else 200)
        assert circuit(hand).state == model.state
