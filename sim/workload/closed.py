"""Closed workloads: a fixed number of clients, each of which waits for its answer, thinks, and asks again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.scenario.model import Closed, Scenario
from sim.stochastics.distributions import inverse
from sim.stochastics.random_streams import Purpose, replication_seed, uniforms
from sim.workload.calls import CallDraws, population

BLOCK = 32  # requests of a client drawn at once
KEPT_CLIENTS = 100_000  # whose blocks are kept, some 2 kB each; a block is a pure function of its key, so forgetting one only costs time


class ClosedRequest(NamedTuple):
    """One request as a Schedule's row would have it, in the same units. Each is a conversation of its own, so there is no history."""

    kind: int
    user: int
    conversation: int
    turn: int
    prompt: int
    input_tokens: int
    output_tokens: int
    think_s: float


ROW = np.dtype(list(zip(ClosedRequest._fields, ("i2", "i8", "i8", "i4", "i8", "i4", "i4", "f8"), strict=True)))


class ClosedWorkload:
    """Requests by (client, n), n from 0: pure functions of the arguments, whenever and in whatever order they are asked for.

    ``clients``: the scenario's times the scale, each a user of its own. ``duration_s``: no request is sent later than this after
    the start. A client sends its first request after its first think time, so that they do not all start at once.
    """

    def __init__(self, scenario: Scenario, scale: float = 1.0, replication: int = 0, seed: int | None = None) -> None:
        arrivals = scenario.workload.arrivals
        if not isinstance(arrivals, Closed):
            raise ValueError(f"expected closed arrivals, found {arrivals.kind}")
        self.seed = replication_seed(scenario.seed if seed is None else seed, replication)
        self.clients = population(scenario.workload, scale)
        self.duration_s = scenario.workload.duration
        self.draws = CallDraws(scenario.workload, self.seed)
        self.think = inverse(arrivals.think)
        self.blocks: dict[int, tuple[int, np.ndarray]] = {}

    def request(self, client: int, n: int) -> ClosedRequest:
        """The n-th request of a client, 0 ≤ client < clients."""
        number, place = divmod(n, BLOCK)
        held = self.blocks.get(client)
        if held is None or held[0] != number:
            if held is None and len(self.blocks) >= KEPT_CLIENTS:
                del self.blocks[next(iter(self.blocks))]
            held = self.blocks[client] = number, self.draw(client, number)
        return ClosedRequest(*held[1][place].item())

    def think_s(self, client: int, n: int) -> float:
        """How long the client thinks before its n-th request: after its last answer, or after the start of the run."""
        return self.request(client, n).think_s

    def draw(self, client: int, number: int) -> np.ndarray:
        n = np.arange(number * BLOCK, (number + 1) * BLOCK)
        call = np.full(BLOCK, client), n
        rows = np.zeros(BLOCK, ROW)
        rows["user"] = client
        rows["conversation"] = n * self.clients + client  # unique, and rising as the run goes on
        rows["kind"] = kind = self.draws.kinds(*call)
        rows["prompt"] = prompt = self.draws.prompts(kind, self.draws.unique_from + rows["conversation"], *call)
        rows["input_tokens"], rows["output_tokens"] = self.draws.tokens(kind, prompt)
        rows["think_s"] = self.think(uniforms(self.seed, Purpose.THINK, *call))
        return rows
