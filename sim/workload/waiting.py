"""Workloads in which a request waits for the answer to another: closed clients, and agents.

Both are a table of requests in which each may have a following one, sent a think time after the answer to the one before, or after its
client has given up. Simulators ask it when a request has ended; in real time the load generator waits for the answers itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from sim.scenario.model import Scenario
from sim.workload.chains import chains_of
from sim.workload.closed import ROW, ClosedWorkload
from sim.workload.schedule import Schedule


class Waiting(Protocol):
    """``first()``: numbers and times of the requests that wait for none. ``following(number)``: the next request and how long its client
    thinks before; -1 after the last one. None is sent at a time for which ``is_over`` says so."""

    def first(self) -> tuple[np.ndarray, np.ndarray]: ...

    def following(self, number: int) -> tuple[int, float]: ...

    def is_over(self, at_s: float) -> bool: ...


class Agents:
    """Conversations that go on when the answer is there, or the failure."""

    def __init__(self, schedule: Schedule) -> None:
        self.chains = chains_of(schedule)
        self.next, self.think_s = self.chains.following.tolist(), self.chains.think_s.tolist()
        self.arrival_s = schedule.arrival_s
        self.duration_s = schedule.duration_s

    def first(self) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.flatnonzero(self.chains.begins)
        return numbers, self.arrival_s[numbers]

    def following(self, number: int) -> tuple[int, float]:
        then = self.next[number]
        return then, self.think_s[then]

    def is_over(self, at_s: float) -> bool:
        return at_s >= self.duration_s


class ClosedClients:
    """A fixed number of clients. Request ``n · clients + client`` is the n-th one of a client, n from 0."""

    def __init__(self, scenario: Scenario, scale: float, replication: int, seed: int) -> None:
        self.workload = ClosedWorkload(scenario, scale, replication, seed)
        self.clients = self.workload.clients
        self.duration_s = self.workload.duration_s

    def first(self) -> tuple[np.ndarray, np.ndarray]:
        at_s = np.array([self.workload.think_s(client, 0) for client in range(self.clients)])
        numbers = np.flatnonzero(at_s <= self.duration_s)
        order = np.argsort(at_s[numbers], kind="stable")
        return numbers[order], at_s[numbers][order]

    def following(self, number: int) -> tuple[int, float]:
        then = number + self.clients
        n, client = divmod(then, self.clients)
        return then, self.workload.think_s(client, n)

    def is_over(self, at_s: float) -> bool:
        return at_s > self.duration_s

    def records(self, numbers: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The numbers as an array, and the requests as ``sim.workload.closed.ROW``."""
        rows = [self.workload.request(number % self.clients, number // self.clients) for number in numbers]
        return np.array(numbers, np.int64), np.array(rows, ROW)
