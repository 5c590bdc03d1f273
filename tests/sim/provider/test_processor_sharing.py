"""A shared server: everyone runs at the same speed, which changes as others come and go."""

from __future__ import annotations

import random
from math import inf
from typing import Any

import pytest

from sim.kernel.containers import NOBODY, take_ready
from sim.provider.processor_sharing import enter, leave, mark, rearm, server_due, speed, unmark
from tests.sim.provider.calls import Call, Clock, scenario


class Server:
    def __init__(self, **batching: Any) -> None:
        self.p = Clock(scenario({"batching": batching})).p
        self.server = self.p.servers[0]

    def come(self, now_s: float, work_s: float | None = None) -> Any:
        assert enter(self.p, 0, now_s)
        c = Call(slot=len(self.p.calls), server=0)
        self.p.calls.append(c)
        if work_s is not None:
            mark(self.p, c, work_s)
        return c

    def due_s(self) -> float:
        assert rearm(self.p) == 0
        return self.server.due_s  # type: ignore[no-any-return]

    def reached(self, now_s: float) -> list[int]:
        server_due(self.p, 0, now_s)
        return [take_ready(self.p).slot for _ in range(self.p.ready.length)]


def test_two_on_a_server_for_one_take_turns_and_end_when_theory_says() -> None:
    """Work 3 from time 0 and work 1 from time 1: until 3 each runs at half speed, then the first is alone."""
    s = Server(parallel=1)
    s.come(0.0, 3.0)
    assert s.due_s() == 3.0
    second = s.come(1.0, 1.0)
    assert s.due_s() == 3.0
    assert s.reached(3.0) == [1]
    leave(s.p, second, 3.0)
    assert s.due_s() == 4.0
    assert s.reached(4.0) == [0]


def test_speed_falls_with_everyone_in_service() -> None:
    s = Server(slots=32, slowdown=0.05)
    for n in range(1, 33):
        s.come(0.0)
        assert speed(s.server) == pytest.approx(1 / (1 + 0.05 * n))
    assert not enter(s.p, 0, 0.0), "all slots are taken"
    assert s.server.in_service == 32


def test_below_its_parallelism_nobody_is_slowed() -> None:
    s = Server(parallel=4)
    for n in range(1, 9):
        s.come(0.0)
        assert speed(s.server) == min(1.0, 4 / n)


def test_whatever_left_is_waited_for_no_more() -> None:
    s = Server(parallel=1)
    gone = s.come(0.0, 1.0)
    s.come(0.0, 5.0)
    leave(s.p, gone, 0.0)
    assert gone.mark_place == NOBODY
    assert s.due_s() == 5.0
    assert s.server.waiting == 1


def test_rounding_does_not_put_a_mark_off() -> None:
    s = Server(slowdown=0.1)
    s.come(0.0, 0.3)
    s.come(0.1)
    assert s.reached(s.due_s() - 1e-16) == [0]
    assert s.due_s() == inf


def test_a_timer_is_void_once_the_next_mark_has_moved() -> None:
    s = Server(parallel=1)
    s.come(0.0, 1.0)
    s.due_s()
    ticket = s.server.ticket
    s.come(0.5)
    assert s.p.rearmed.length == 1
    assert s.due_s() == 1.5
    assert s.server.ticket == ticket + 1


def test_marks_are_reached_in_order_whichever_calls_leave_before() -> None:
    rng = random.Random(4)
    for _ in range(50):
        s = Server()
        calls = [s.come(0.0, rng.choice([1.0, 2.0, 3.0, 4.0])) for _ in range(rng.randrange(1, 30))]
        gone = set(rng.sample(range(len(calls)), len(calls) // 2))
        for slot in gone:
            unmark(s.p, calls[slot])
        expected = sorted((c.mark_work_s, c.mark_order, c.slot) for c in calls if c.slot not in gone)
        found = []
        while (due_s := s.due_s()) < inf:
            found += s.reached(due_s)
        assert found == [slot for _, _, slot in expected]
