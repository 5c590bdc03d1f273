"""Where requests come from: a schedule, in blocks; or tables of requests that wait for the answers to others, and grow."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.engine.compiled_driver.loop import Waiting
from sim.engine.requests import RequestMaker, gives_up_after_s
from sim.scenario.model import Closed, Scenario
from sim.stochastics.random_streams import Purpose, uniforms
from sim.workload.client_retries import RetryingClients, Sendings, sendings_of, with_retries
from sim.workload.closed import ROW
from sim.workload.schedule import Schedule, build_schedule
from sim.workload.waiting import Agents, ClosedClients

OPEN_LOOP, AGENTS, CLOSED, RETRYING = range(4)
BLOCK = 1 << 13  # requests of a schedule made at once
ROUNDS = 16  # requests of each closed client drawn at once
NO_FIRST = np.zeros(0, np.int64), np.zeros(0)


class Clients:
    """``requests``: records made so far; ``first``: numbers and times of those that wait for none, where the others do."""

    kind = OPEN_LOOP
    over_included = False
    step = 0
    waiting: Any = None
    first = NO_FIRST
    sendings = Sendings()

    def __init__(self, scenario: Scenario, seed: int, duration_s: float, history: np.ndarray) -> None:
        self.maker = RequestMaker(scenario, seed)
        self.gives_up_after_s = gives_up_after_s(scenario)
        self.duration_s = duration_s
        self.history = history
        self.longest = 0
        self.count = self.stop = 0
        self.requests = np.zeros(0)

    def sizes(self) -> dict[str, int]:
        """How many users, conversations and prompts there are."""
        raise NotImplementedError

    def next_block(self) -> bool:
        """Whether it is the last one."""
        raise NotImplementedError

    def draw_more(self) -> int:
        """How many requests more there are now."""
        raise NotImplementedError


class Scheduled(Clients):
    def __init__(self, scenario: Scenario, seed: int, schedule: Schedule) -> None:
        super().__init__(scenario, seed, schedule.duration_s, schedule.history_tokens)
        self.schedule = schedule
        self.count = len(schedule)
        self.longest = most(schedule.history_turns)
        self.next_block()

    def sizes(self) -> dict[str, int]:
        return {name: most(getattr(self.schedule, name)) + 1 for name in ("user", "conversation", "prompt")}

    def next_block(self) -> bool:
        begin, self.stop = self.stop, min(self.stop + BLOCK, self.count)
        self.requests = self.maker.scheduled(self.schedule, begin, self.stop)
        return self.stop == self.count


class AgentClients(Scheduled):
    kind = AGENTS

    def __init__(self, scenario: Scenario, seed: int, schedule: Schedule) -> None:
        super().__init__(scenario, seed, schedule)
        agents = Agents(schedule)
        self.requests = self.maker.scheduled(schedule, 0, self.count)
        self.stop = self.count
        self.waiting = Waiting(agents.chains.following, agents.chains.think_s, np.zeros(self.count, bool))
        self.first = agents.first()


class RetryingOnes(Scheduled):
    kind = RETRYING

    def __init__(self, scenario: Scenario, seed: int, schedule: Schedule) -> None:
        retries = scenario.workload.client.retries
        assert retries is not None
        every = with_retries(schedule, retries.attempts)
        super().__init__(scenario, seed, every)
        clients = RetryingClients(scenario, seed, every)
        self.sendings = sendings_of(scenario, len(schedule))
        self.requests = self.maker.scheduled(every, 0, self.count)
        self.stop = self.count
        self.waiting = Waiting(clients.then, clients.pauses_s, np.zeros(self.count, bool))
        self.first = clients.first()


class ClosedOnes(Clients):
    """Request ``n * clients + client`` is the n-th one of a client."""

    kind = CLOSED
    over_included = True

    def __init__(self, scenario: Scenario, seed: int, closed: ClosedClients) -> None:
        super().__init__(scenario, seed, closed.duration_s, np.zeros(0, np.int32))
        self.closed = closed
        self.step = closed.clients
        self.waiting = Waiting(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool))
        self.requests = self.maker.closed(*self.drawn(np.zeros(0, np.int64)))
        self.draw_more()
        at_s = self.waiting.think_s[: self.step]
        numbers = np.flatnonzero(at_s <= self.duration_s)
        numbers = numbers[np.argsort(at_s[numbers], kind="stable")]
        self.first = numbers, at_s[numbers]

    def sizes(self) -> dict[str, int]:
        return {"user": self.step, "conversation": self.count, "prompt": self.closed.workload.draws.unique_from + self.count}

    def draw_more(self) -> int:
        numbers = np.arange(self.count, self.count + ROUNDS * self.step)
        numbers, rows = self.drawn(numbers)
        self.requests = np.concatenate([self.requests, self.maker.closed(numbers, rows)])
        self.count = self.stop = len(self.requests)
        more = numbers + self.step, rows["think_s"], np.zeros(len(numbers), bool)
        self.waiting = Waiting(*(np.concatenate(columns) for columns in zip(self.waiting, more, strict=True)))
        return len(numbers)

    def drawn(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of many clients at once what ``ClosedWorkload.draw`` draws of one."""
        workload = self.closed.workload
        call = numbers % self.step, numbers // self.step
        rows = np.zeros(len(numbers), ROW)
        rows["user"], rows["conversation"] = call[0], numbers
        rows["kind"] = kind = workload.draws.kinds(*call)
        rows["prompt"] = prompt = workload.draws.prompts(kind, workload.draws.unique_from + numbers, *call)
        rows["input_tokens"], rows["output_tokens"] = workload.draws.tokens(kind, prompt)
        rows["think_s"] = workload.think(uniforms(workload.seed, Purpose.THINK, *call))
        return numbers, rows


class Nobody(Clients):
    """No requests, in tables of the types that the scenario's would have."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        super().__init__(scenario, seed, 1.0, np.zeros(0, np.int32))
        self.requests = self.maker.records(np.zeros(0, np.int64), {})
        if scenario.workload.waits_for_answers or scenario.workload.client.retries is not None:
            self.waiting = Waiting(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool))
            self.step = -1  # nobody sends: there is room for that

    def sizes(self) -> dict[str, int]:
        return {"user": 1, "conversation": 1, "prompt": 1}


def most(numbers: np.ndarray) -> int:
    return int(numbers.max()) if len(numbers) else 0


def clients_of(scenario: Scenario, scale: float, replication: int, first_seed: int, seed: int) -> Clients:
    if isinstance(scenario.workload.arrivals, Closed):
        return ClosedOnes(scenario, seed, ClosedClients(scenario, scale, replication, first_seed))
    schedule = build_schedule(scenario, scale, replication, first_seed)
    if scenario.workload.client.retries is not None:
        return RetryingOnes(scenario, seed, schedule)
    return (AgentClients if scenario.workload.waits_for_answers else Scheduled)(scenario, seed, schedule)
