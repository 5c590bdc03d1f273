"""Accepting connections: one new one in each round of a worker's event loop, and calls over kept ones pass those that wait."""

from __future__ import annotations

import pytest

from sim.gateway.stages import accept
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import unchecked

ONE = {"accepts": "one", "cpu_slice": "250ms", "cpu_per_request": {"kind": "constant", "value": "1s"}}


def test_an_idle_worker_accepts_at_once_and_a_busy_one_after_a_round():
    hand = by_hand(**ONE)
    first, second, third = (hand.start(0.0, cpu_demand_s=0.5) for _ in range(3))
    assert (first.until_s, second.until_s, third.in_backlog) == (0.25, 0.25, True)
    hand.time_comes(first)  # its second slice
    hand.time_comes(second)
    assert second.until_s == 0.75, "behind that"
    assert third.until_s == 0.75, "a round later, which the second call's slice is part of"
    assert second.accept_s == 0.25


def test_calls_over_kept_connections_pass_new_ones():
    hand = by_hand(**ONE)
    assert hand.answer(hand.time_comes(hand.time_comes(hand.start(0.0, cpu_demand_s=0.5))), 1.0).state == "ok"
    assert hand.g.accept.idle == 1
    kept, new = (hand.start(2.0, cpu_demand_s=0.5) for _ in range(2))
    assert (kept.until_s, new.until_s) == (2.25, 2.25)
    assert hand.g.accept.next == new.slot
    assert hand.g.accept.idle == 0


def test_a_client_that_leaves_gives_its_place_in_the_backlog_up_and_takes_its_connection_along():
    hand = by_hand(**ONE)
    first, second, third = (hand.start(0.0, cpu_demand_s=0.5) for _ in range(3))
    hand.depart(second, 0.1)
    assert hand.g.accept.next == third.slot
    hand.depart(third, 0.1)
    hand.depart(first, 0.1)
    assert (hand.g.accept.next, hand.g.accept.idle) == (-1, 0)
    assert hand.is_idle()


def test_the_connection_of_a_client_that_has_left_is_not_kept_though_its_call_goes_on():
    hand = by_hand(changes={"client": {"timeout": "1s"}}, cancel_on_disconnect=False, **ONE)
    hand.answer(hand.time_comes(hand.start(0.0, cpu_demand_s=0.25)), 2.0)
    assert hand.g.accept.idle == 0
    hand.answer(hand.time_comes(hand.start(10.0, cpu_demand_s=0.25)), 10.5)
    assert hand.g.accept.idle == 1


def test_it_is_no_stage_where_all_are_accepted_or_nothing_keeps_a_worker_busy():
    assert by_hand(**ONE | {"accepts": "all"}).g.accept is None
    assert by_hand(accepts="one").g.accept is None
    assert [finding.warning for finding in accept.check(unchecked(gateway={"accepts": "one"}))] == [True]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_backlog_is_served_by_whichever_worker_ends_its_round_first(workers: int):
    hand = by_hand(workers=workers, **ONE)
    calls = [hand.start(0.0, cpu_demand_s=0.25) for _ in range(4)]
    assert sum(c.in_backlog for c in calls) == max(0, 4 - workers - 1)
