"""Admission: so many calls in service, the others in line, first come first served within each priority."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.gateway.stages import admission
from sim.kernel.refusals import NAMES
from tests.examples import examples
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, serve_at


def test_slots_then_the_line_then_no_room():
    hand = by_hand(queue={"concurrency": 1, "waiting": 1})
    first, second, third = (hand.start(0.0) for _ in range(3))
    assert [c.state for c in (first, second, third)] == ["performing", "waiting", "rejected"]
    assert (NAMES[third.refused_by], third.latency_s) == ("queue", 0.0)


def test_by_default_nobody_may_wait_and_anything_unlimited_has_no_bound():
    unlimited = by_hand(queue={"concurrency": "unlimited", "waiting": "unlimited"}).g.admission
    assert (unlimited.concurrency, unlimited.capacity, unlimited.timeout_s) == (inf, inf, inf)
    assert (unlimited.in_service, unlimited.waiting, unlimited.waited_s, unlimited.at_s) == (0, 0, 0.0, 0.0)
    assert by_hand(queue={"concurrency": 1}).g.admission.capacity == 0


def test_a_slot_passes_to_the_head_of_the_line():
    hand = by_hand(queue={"concurrency": 1, "waiting": 2})
    first, second, third = (hand.start(10.0) for _ in range(3))
    hand.answer(first, 11.0)
    assert [c.state for c in (first, second, third)] == ["ok", "performing", "waiting"]
    hand.answer(second, 13.0)
    hand.answer(third, 16.0)
    assert [c.queue_wait_s for c in (first, second, third)] == [0.0, 1.0, 3.0]
    assert (hand.g.admission.in_service, hand.g.admission.waiting) == (0, 0)


def test_a_slot_given_back_can_be_taken_again_and_only_once():
    hand = by_hand(queue={"concurrency": 1})
    for at_s in (0.0, 1.0, 2.0):
        c = hand.start(at_s)
        assert hand.start(at_s).state == "rejected"
        hand.answer(c, at_s + 0.5)
    assert hand.g.admission.in_service == 0


def test_a_call_that_left_the_line_is_passed_over():
    hand = by_hand(queue={"concurrency": 1, "waiting": 2})
    first, second, third = (hand.start(0.0) for _ in range(3))
    hand.depart(second, 0.5)
    assert hand.g.admission.waiting == 1
    hand.answer(first, 1.0)
    assert (second.state, third.state) == ("abandoned", "performing")


def test_higher_priorities_are_let_in_first_and_each_in_the_order_of_arrival():
    hand = by_hand(queue={"concurrency": 1, "waiting": 9})
    holder = hand.start(0.0)
    waiting = [hand.start(0.0, priority=priority) for priority in (0, 5, 0, 9, 5, 7)]
    let_in = []
    while waiting:
        hand.answer(holder, 1.0)
        holder = next(c for c in waiting if c.performing)
        waiting.remove(holder)
        let_in.append((holder.request, holder.priority))
    assert let_in == [(4, 9), (6, 7), (2, 5), (5, 5), (1, 0), (3, 0)]


def test_nobody_in_service_is_interrupted_by_a_higher_priority():
    hand = by_hand(queue={"concurrency": 1, "waiting": 9})
    first, second = hand.start(0.0, priority=0), hand.start(0.5, priority=9)
    assert (first.state, second.state) == ("performing", "waiting")


def test_time_waited_is_the_area_under_the_number_waiting():
    hand = by_hand(queue={"concurrency": 1, "waiting": 9})
    first, second, third = hand.start(0.0), hand.start(1.0), hand.start(2.0)
    hand.depart(third, 4.0)
    hand.answer(first, 10.0)
    hand.answer(second, 20.0)
    assert hand.g.admission.waited_s == (10.0 - 1.0) + (4.0 - 2.0)


# The first limit that is reached says how the wait ends; of two at the same time the gateway's comes before the client's patience, and
# the queue's own before the deadline.
@pytest.mark.parametrize(
    ("queue_timeout", "total", "patience_s", "ends_s", "outcome"),
    [
        ("3s", None, inf, 3.0, "rejected"), ("3s", "9s", inf, 3.0, "rejected"), ("3s", "2s", inf, 2.0, "timeout"),
        (None, "2s", inf, 2.0, "timeout"), ("3s", "9s", 1.0, 1.0, "abandoned"), ("3s", "3s", inf, 3.0, "rejected"),
        (None, None, 1.5, 1.5, "abandoned"), ("3s", None, 3.0, 3.0, "rejected"), (None, "2s", 2.0, 2.0, "timeout"),
    ],
)  # fmt: skip
def test_a_wait_ends_at_the_first_of_its_limits(queue_timeout, total, patience_s, ends_s, outcome):
    hand = by_hand(queue={"concurrency": 1, "waiting": 9, "timeout": queue_timeout}, timeout={"total": total})
    hand.start(0.0)
    c = hand.start(0.0, patience_s=patience_s)
    assert c.until_s == ends_s
    hand.time_comes(c)
    assert (c.state, c.queue_wait_s, c.latency_s) == (outcome, ends_s, ends_s)
    assert NAMES[c.refused_by] == ("" if outcome == "abandoned" else "queue timeout")
    assert hand.g.admission.waiting == 0


def test_a_call_let_in_at_the_moment_its_wait_ends_is_in():
    """What happened first counts: it was let in by an answer, and its timer is void."""
    hand = by_hand(queue={"concurrency": 1, "waiting": 9, "timeout": "1s"})
    first, second = hand.start(0.0), hand.start(0.0)
    hand.answer(first, 1.0)
    assert (second.state, second.queue_wait_s) == ("performing", 1.0)


def test_a_call_let_in_at_the_moment_its_client_leaves_has_waited_until_then():
    """The first client's leaving makes room for the second call, whose client leaves at that moment, too."""
    slow = {"models": {"one": {"latency": {"kind": "constant", "value": "5s"}, "price": {"input": 1, "output": 2}}}}
    served = serve_at(scenario(gateway={"queue": {"concurrency": 1, "waiting": 1}}, a=slow, client={"timeout": "3s"}), [0.0, 0.0])
    assert served.outcomes == ["abandoned", "abandoned"]
    assert served.rows["queue_wait_s"].tolist() == [0.0, 3.0]
    assert served.g.admission.waited_s == 3.0


class TestInTime:
    def test_requests_wait_their_turn(self):
        served = serve_at(scenario(gateway={"queue": {"concurrency": 1, "waiting": 5}}), [0.0, 0.0, 0.5])
        assert served.latencies_s == [1.0, 2.0, 2.5]
        assert served.rows["queue_wait_s"].tolist() == [0.0, 1.0, 1.5]

    def test_a_full_line_rejects(self):
        served = serve_at(scenario(gateway={"queue": {"concurrency": 1, "waiting": 1}}), [0.0, 0.0, 0.0])
        assert served.outcomes == ["ok", "ok", "rejected"]

    def test_a_call_that_waits_too_long_is_rejected_and_passed_over(self):
        served = serve_at(scenario(gateway={"queue": {"concurrency": 1, "waiting": 5, "timeout": "700ms"}}), [0.0, 0.0, 0.5])
        assert served.outcomes == ["ok", "rejected", "ok"]
        assert served.latencies_s == [1.0, 0.7, 1.5]

    def test_the_priority_of_a_request_is_that_of_its_class(self):
        tokens = {"input": {"kind": "constant", "value": 10}, "output": {"kind": "constant", "value": 5}}
        classes = [{"name": "low", "share": 0.5, "tokens": tokens}, {"name": "high", "share": 0.5, "priority": 3, "tokens": tokens}]
        made = scenario(requests=classes)
        assert [admission.CLASS["priority"](made, each) for each in made.workload.requests] == [0, 3]

    def test_patience_is_drawn_from_the_clients_law(self):
        made = scenario(client={"patience": {"kind": "constant", "value": "300ms"}}, gateway={"queue": {"concurrency": 1, "waiting": 5}})
        served = serve_at(made, [0.0, 0.0])
        assert (served.outcomes, served.latencies_s) == (["ok", "abandoned"], [1.0, 0.3])


ACTIONS = st.lists(st.tuples(st.sampled_from(["arrive", "end", "leave"]), st.integers(0, 9), st.floats(0.0, 2.0)), max_size=60)


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(1, 3), st.integers(0, 4), ACTIONS)
def test_it_is_a_bounded_queue_first_come_first_served_within_each_priority(concurrency, capacity, actions):
    """Against a list that is sorted anew each time."""
    hand = by_hand(queue={"concurrency": concurrency, "waiting": capacity})
    in_service, waiting, now_s = [], [], 0.0
    for action, number, after_s in actions:
        now_s += after_s
        if action == "arrive":
            c = hand.start(now_s, priority=number)
            expected = "performing" if len(in_service) < concurrency else "waiting" if len(waiting) < capacity else "rejected"
            assert c.state == expected
            if expected != "rejected":
                (in_service if expected == "performing" else waiting).append(c)
        elif action == "end" and in_service:
            hand.answer(in_service.pop(number % len(in_service)), now_s)
            if waiting:
                following = min(waiting, key=lambda c: (-c.priority, c.request))
                waiting.remove(following)
                in_service.append(following)
        elif action == "leave" and waiting:
            hand.depart(waiting.pop(number % len(waiting)), now_s)
        assert all(c.state == "performing" for c in in_service)
        assert all(c.state == "waiting" for c in waiting)
        assert (hand.g.admission.in_service, hand.g.admission.waiting) == (len(in_service), len(waiting))
        assert len(in_service) <= concurrency
