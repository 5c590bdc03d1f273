"""Requests that wait for the answer to another: which one follows, when, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from sim.workload.chains import chains_of
from sim.workload.closed import ROW, ClosedWorkload
from sim.workload.schedule import build_schedule
from sim.workload.waiting import Agents, ClosedClients
from tests.sim.workload.workloads import make

CLOSED = {"kind": "closed", "clients": 40, "think": {"kind": "exponential", "mean": "5s"}}
TALK = {"turns": {"kind": "geometric", "mean": 4}, "think": {"kind": "exponential", "mean": "3s"}, "after": "answer"}


@pytest.fixture
def schedule():
    return build_schedule(make({"kind": "poisson", "rate": "1/s"}, conversations=TALK))


@pytest.fixture
def clients():
    return ClosedClients(make(CLOSED, duration="10s"), 1.0, 0, 7)


class TestAgents:
    def test_conversations_begin_when_the_schedule_says(self, schedule):
        numbers, times_s = Agents(schedule).first()
        assert 0 < len(numbers) < len(schedule)
        assert np.array_equal(np.sort(schedule.conversation[numbers]), np.unique(schedule.conversation))
        assert np.array_equal(times_s, schedule.arrival_s[numbers])
        assert (np.diff(times_s) >= 0).all()

    def test_every_request_comes_first_or_follows_one_other(self, schedule):
        agents = Agents(schedule)
        followers = [then for number in range(len(schedule)) if (then := agents.following(number)[0]) != -1]
        assert sorted([*agents.first()[0].tolist(), *followers]) == list(range(len(schedule)))

    def test_a_turn_follows_the_one_before_it_a_think_time_later(self, schedule):
        agents, chains = Agents(schedule), chains_of(schedule)
        for number in range(len(schedule)):
            then, think_s = agents.following(number)
            if then != -1:
                assert schedule.conversation[then] == schedule.conversation[number]
                assert schedule.turn[then] == schedule.turn[number] + 1
                assert think_s == chains.think_s[then] > 0

    def test_none_is_sent_at_the_end_of_the_run_or_later(self, schedule):
        agents = Agents(schedule)
        assert [agents.is_over(at_s) for at_s in (0.0, 599.999, 600.0)] == [False, False, True]


class TestClosedClients:
    def test_each_client_sends_its_first_request_after_it_has_thought(self, clients):
        numbers, times_s = clients.first()
        assert (np.diff(times_s) >= 0).all()
        for number, at_s in zip(numbers.tolist(), times_s.tolist(), strict=True):
            assert 0 <= number < 40
            assert at_s == clients.workload.think_s(number, 0) <= 10.0

    def test_those_that_think_beyond_the_end_send_none(self, clients):
        numbers, _ = clients.first()
        missing = set(range(40)) - set(numbers.tolist())
        assert missing
        assert all(clients.workload.think_s(client, 0) > 10.0 for client in missing)

    def test_the_next_request_is_the_same_clients(self, clients):
        for number in (0, 7, 39, 47):
            then, think_s = clients.following(number)
            assert (then % 40, then // 40) == (number % 40, number // 40 + 1)
            assert think_s == clients.workload.think_s(number % 40, number // 40 + 1)

    def test_one_may_still_be_sent_at_the_end(self, clients):
        assert [clients.is_over(at_s) for at_s in (10.0, 10.001)] == [False, True]

    def test_requests_are_those_of_the_workload(self, clients):
        numbers, rows = clients.records([0, 41, 85])
        assert (numbers.tolist(), rows.dtype) == ([0, 41, 85], ROW)
        workload = ClosedWorkload(make(CLOSED, duration="10s"), 1.0, 0, 7)
        for row, (client, n) in zip(rows, ((0, 0), (1, 1), (5, 2)), strict=True):
            assert row.item() == tuple(workload.request(client, n))

    def test_scale_multiplies_the_clients(self):
        assert ClosedClients(make(CLOSED), 2.5, 0, 7).clients == 100
