"""The gateway's CPU: workers are first-come-first-served servers, and connections are spread over them in turn."""

from __future__ import annotations

import pytest

from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, serve_at

TENTH = {"cpu_per_request": {"kind": "constant", "value": "100ms"}}


def test_it_serves_one_after_the_other():
    served = serve_at(scenario(gateway=TENTH), [5.0, 5.0])
    assert served.latencies_s == [1.1, 1.2]
    assert served.rows["cpu_s"].tolist() == pytest.approx([0.1, 0.2])


def test_workers_take_connections_in_turn_whoever_is_free():
    hand = by_hand(workers=2, **TENTH)
    calls = [hand.start(0.0, cpu_demand_s=demand_s) for demand_s in (1.0, 0.25, 0.25, 0.25)]
    assert [c.until_s for c in calls] == [1.0, 0.25, 1.25, 0.5]


def test_every_worker_has_its_turn():
    hand = by_hand(workers=3, **TENTH)
    assert [hand.start(0.0, cpu_demand_s=0.5).until_s for _ in range(7)] == [0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.5]


def test_an_idle_worker_begins_at_once():
    hand = by_hand(**TENTH)
    assert [hand.start(at_s, cpu_demand_s=0.5).until_s for at_s in (0.0, 10.0)] == [0.5, 10.5]


def test_work_begun_for_a_client_that_left_is_done_all_the_same():
    hand = by_hand(**TENTH)
    first = hand.start(0.0, cpu_demand_s=0.5)
    hand.depart(first, 0.1)
    assert hand.start(0.2, cpu_demand_s=0.5).until_s == 1.0


def test_a_request_without_work_takes_no_turn():
    hand = by_hand(workers=2, **TENTH)
    assert hand.start(0.0, cpu_demand_s=0.0).state == "performing"
    assert hand.g.cpu.turn == 0


def test_without_work_there_is_no_such_stage():
    assert by_hand(workers=4).g.cpu is None
