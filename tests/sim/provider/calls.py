"""Calls and providers for statements about single attempts, and a small clock for those in virtual time."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf, nan
from typing import Any

from sim.data.statuses import UNDER_WAY
from sim.kernel.containers import Line, take_ready
from sim.kernel.state import merge, state
from sim.provider import attempt
from sim.provider.behaviour import Asked
from sim.provider.build import build
from sim.provider.processor_sharing import rearm, server_due
from sim.provider.simulated import cut, go_on, perform
from sim.scenario.model import Scenario

ONE = {"kind": "constant", "value": 1}


@state
class Facts:
    """What a call has besides, from its request and from the gateway's stage."""

    prompt_tokens: int = 100
    conversation: int = 0
    turn: int = 0
    history_start: int = 0
    history_turns: int = 0
    until_s: float = inf
    first_by_s: float = inf
    end_by_s: float = inf
    status: int = UNDER_WAY
    attempt_started_s: float = 0.0
    attempt_first_s: float = nan
    attempt_s: float = 0.0
    billed_tokens: int = 0
    produced_tokens: int = 0
    attempt_cached: int = 0
    attempt_refused_by: int = 0
    retry_after_s: float = nan


Call = merge("Call", Asked, Facts, attempt.Call)


def scenario(model: dict[str, Any] | None = None, faults: list[dict[str, Any]] | None = None, **fields: Any) -> Scenario:
    """A provider ``p`` with model ``m``: 1 s to the first token, 0.1 s per token, unless said otherwise."""
    latency = {"ttft": {"kind": "constant", "value": "1s"}, "per_token": {"kind": "constant", "value": "100ms"}, **(model or {})}
    return Scenario.model_validate({
        "tenfold": 1, "name": "provider", "gateway": {"routing": {"kind": "round-robin", "models": ["p/m"]}},
        "workload": {"arrivals": {"kind": "poisson", "rate": "1/s"}, "duration": "1h",
                     "requests": [{"name": "r", "tokens": {"input": ONE, "output": ONE}}]},
        "providers": {"p": {"models": {"m": latency}, **fields}, "q": {"models": {"m": latency}}}, "faults": faults or [],
    })  # fmt: skip


class Clock:
    """Virtual time over the providers of a scenario: events by (time, order), those of servers first."""

    def __init__(self, scenario: Scenario, history: tuple[int, ...] = (), seed: int = 3) -> None:
        self.p = build(scenario, seed, [], Line(), history)
        self.events: list[Any] = []
        self.order = 0
        self.shown: dict[int, float] = {}
        self.now_s = 0.0

    def send(self, at_s: float, answer_tokens: int = 11, leaves_s: float = inf, shows: bool = False, **fields: Any) -> Any:
        """An attempt at ``at_s`` whose client leaves at ``leaves_s``."""
        slot = len(self.p.calls)
        c = Call(slot=slot, prompt=slot, input_tokens=100, answer_tokens=answer_tokens)
        for name, value in fields.items():
            setattr(c, name, value)
        self.p.calls.append(c)
        self.at(at_s, 2, lambda: self.wait(perform(self.p, c, at_s, shows), c))
        self.at(leaves_s, 1, lambda: cut(self.p, c, leaves_s) if c.status <= UNDER_WAY else None)
        return c

    def at(self, at_s: float, rank: int, then: Any) -> None:
        self.order += 1
        if at_s < inf:
            heappush(self.events, (at_s, rank, self.order, then))

    def wait(self, _: None, c: Any) -> None:
        until_s = c.until_s
        self.at(until_s, 1, lambda: self.go_on(c) if c.until_s == until_s and c.status <= UNDER_WAY else None)

    def go_on(self, c: Any) -> None:
        if go_on(self.p, c, self.now_s):
            self.shown[c.slot] = self.now_s
            self.wait(None, c)

    def due(self, server: int, ticket: int) -> None:
        if self.p.servers[server].ticket == ticket:
            server_due(self.p, server, self.now_s)

    def run(self) -> None:
        while self.events:
            self.now_s, _, _, then = heappop(self.events)
            then()
            while self.p.ready.length:
                self.go_on(take_ready(self.p))
            while self.p.rearmed.length:
                number = rearm(self.p)
                server = self.p.servers[number]
                self.at(server.due_s, 0, lambda number=number, ticket=server.ticket: self.due(number, ticket))
