"""Requests on their way from a workload into the chain: records of ``chain.Request``, with all that is drawn for each beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from sim.gateway import chain
from sim.kernel.state import dtype_of, records_of
from sim.scenario.model import Scenario
from sim.stochastics.distributions import quantile
from sim.stochastics.random_streams import uniforms
from sim.workload.schedule import Schedule

BLOCK = 1024  # requests made at once
REQUEST = dtype_of(chain.Request)
FIELDS = list(chain.Request.__slots__)  # in the order in which calls are made of them
FROM_SCHEDULE = {
    "arrival_s": "arrival_s", "kind": "kind", "user": "user", "conversation": "conversation", "turn": "turn", "prompt": "prompt",
    "prompt_tokens": "input_tokens", "answer_tokens": "output_tokens", "history_start": "history_start", "history_turns": "history_turns",
}  # fmt: skip


def gives_up_after_s(scenario: Scenario) -> float:
    """When the clients of calls that go on without them give up; never where they take their calls along."""
    timeout_s = scenario.workload.client.timeout
    return np.inf if timeout_s is None or scenario.gateway.cancel_on_disconnect else timeout_s


class RequestMaker:
    """Makes the records of requests by number: a pure function of (scenario, seed, number, what the workload says of it)."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.seed = seed
        self.blank = records_of(chain.Request(streams=scenario.workload.client.stream))[0]
        self.draws = {name: (purpose, law(scenario)) for name, (purpose, law) in chain.declared("DRAWS").items()}
        classes = scenario.workload.requests
        self.of_class = {name: np.array([value(scenario, each) for each in classes]) for name, value in chain.declared("CLASS").items()}
        self.of_user = {name: partial(value, scenario, seed) for name, value in chain.declared("USERS").items()}
        timeout_s = scenario.workload.client.timeout
        leaves = timeout_s is not None and scenario.gateway.cancel_on_disconnect
        self.leaves_after_s = timeout_s if leaves and timeout_s is not None else np.inf

    def records(self, numbers: np.ndarray, columns: dict[str, np.ndarray]) -> np.ndarray:
        """Records of the requests with these numbers; ``columns`` by the names of FROM_SCHEDULE."""
        rows = np.full(len(numbers), self.blank, REQUEST)
        rows["request"] = numbers
        for name, column in columns.items():
            rows[name] = column
        for name, (purpose, law) in self.draws.items():
            if law is not None:
                rows[name] = quantile(law, uniforms(self.seed, purpose, numbers))
        for name, values in self.of_class.items():
            rows[name] = values[rows["kind"]]
        for name, of_users in self.of_user.items():
            rows[name] = of_users(rows["user"])
        rows["leaves_s"] = rows["arrival_s"] + self.leaves_after_s
        return rows

    def scheduled(self, schedule: Schedule, start: int, stop: int) -> np.ndarray:
        """Records of the rows ``start`` to ``stop`` of a schedule."""
        columns = {name: getattr(schedule, column)[start:stop] for name, column in FROM_SCHEDULE.items()}
        return self.records(np.arange(start, stop), columns)

    def in_turn(self, schedule: Schedule) -> Iterator[Any]:
        """All rows of a schedule as tuples, made in blocks as they are needed."""
        for start in range(0, len(schedule), BLOCK):
            rows = self.scheduled(schedule, start, min(start + BLOCK, len(schedule)))
            yield from zip(*(rows[name].tolist() for name in FIELDS), strict=True)

    def closed(self, numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Records of closed clients' requests, from their rows (``sim.workload.closed.ROW``); their times are set when they are sent."""
        columns = {name: rows[column] for name, column in FROM_SCHEDULE.items() if column in (rows.dtype.names or ())}
        return self.records(numbers, columns)
