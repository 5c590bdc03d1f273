"""A shared server: everyone runs at the same speed, which changes as others come and go."""

from __future__ import annotations

import pytest

from sim.policy.admission import Ticket
from sim.provider.processor_sharing import SharedServer, enter, leave, mark, next_in_s, reached, speed
from sim.scenario.model import Batching


def test_two_on_a_server_for_one_take_turns_and_end_when_theory_says():
    """Work 3 from time 0 and work 1 from time 1: until 3 each runs at half speed, then the first is alone."""
    server = SharedServer(Batching(parallel=1))
    first, second = Ticket(), Ticket()
    enter(server, 0.0)
    mark(server, 3.0, first)
    assert next_in_s(server) == 3.0
    enter(server, 1.0)
    mark(server, 1.0, second)
    assert next_in_s(server) == 2.0
    assert reached(server, 3.0) == [second]
    leave(server, 3.0)
    assert next_in_s(server) == 1.0
    assert reached(server, 4.0) == [first]


def test_speed_falls_with_everyone_in_service():
    server = SharedServer(Batching(slots=32, slowdown=0.05))
    for n in range(1, 33):
        assert enter(server, 0.0)
        assert speed(server) == pytest.approx(1 / (1 + 0.05 * n))
    assert not enter(server, 0.0), "all slots are taken"
    assert server.in_service == 32


def test_below_its_parallelism_nobody_is_slowed():
    server = SharedServer(Batching(parallel=4))
    for n in range(1, 9):
        enter(server, 0.0)
        assert speed(server) == min(1.0, 4 / n)


def test_whoever_gave_up_is_waited_for_no_more():
    server = SharedServer(Batching(parallel=1))
    gone, there = Ticket(), Ticket()
    enter(server, 0.0)
    enter(server, 0.0)
    mark(server, 1.0, gone)
    mark(server, 5.0, there)
    gone.left = True
    assert next_in_s(server) == 10.0


def test_rounding_does_not_put_a_mark_off():
    server = SharedServer(Batching(slowdown=0.1))
    ticket = Ticket()
    enter(server, 0.0)
    mark(server, 0.3, ticket)
    enter(server, 0.1)
    due_s = 0.1 + next_in_s(server)
    assert reached(server, due_s - 1e-16) == [ticket]
    assert next_in_s(server) == float("inf")
