"""Clients that send a request again when it has failed, as provider SDKs do: every sending is a request of its own to the gateway.

Sending k of request i (both from 0) has the number ``k · requests + i``, and follows sending k - 1 a pause after that has failed.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from sim.data.outcomes import BY_NAME
from sim.kernel.containers import NOBODY
from sim.kernel.state import state
from sim.scenario.backoff import Backoff
from sim.scenario.model import ClientRetries, Scenario
from sim.stochastics.random_streams import Purpose, uniforms
from sim.workload.schedule import Schedule

RESERVE = 10.0
PER_REQUEST = (
    "arrival_s", "kind", "user", "conversation", "turn", "prompt", "input_tokens", "output_tokens", "history_start", "history_turns",
)  # fmt: skip


@state
class Sendings:
    """Which failures are sent again. The budget is that of ``sim.gateway.stages.retry``, shared by all clients: each request pays in
    ``retry_ratio`` when its first sending has ended, each retry costs 1, at most RESERVE is saved up. Below zero: no budget.
    """

    retries_on: int = 0  # bit n: outcome n is sent again; 0: whatever follows does so after any outcome
    requests_first: int = 0  # numbers below are first sendings
    retry_ratio: float = -1.0
    retry_balance: float = 0.0


def goes_on(s: Any, number: int, outcome: int) -> bool:
    """Whether what follows request ``number`` is sent, now that it has come to ``outcome``."""
    if s.retries_on == 0:
        return True
    if s.retry_ratio >= 0.0 and number < s.requests_first:
        balance = s.retry_balance + s.retry_ratio
        s.retry_balance = balance if balance < RESERVE else RESERVE
    if (s.retries_on >> outcome) & 1 == 0:
        return False
    if s.retry_ratio >= 0.0:
        if s.retry_balance < 1.0:
            return False
        s.retry_balance -= 1.0
    return True


def sendings_of(scenario: Scenario, requests: int) -> Sendings:
    retries = scenario.workload.client.retries
    if retries is None:
        return Sendings()
    on = sum(1 << BY_NAME[name].code for name in retries.on)
    ratio = -1.0 if retries.budget is None else float(retries.budget)
    return Sendings(on, requests, ratio, RESERVE if ratio > 0 else 0.0)


def with_retries(schedule: Schedule, attempts: int) -> Schedule:
    """Every request ``attempts`` times: all first sendings, then all second ones, … Only the first come at the times that stand there."""
    columns: dict[str, Any] = {name: np.tile(getattr(schedule, name), attempts) for name in PER_REQUEST}
    assert {each.name for each in fields(Schedule)} == {*PER_REQUEST, "history_tokens", "duration_s"}
    return replace(schedule, **columns)


def pauses_s(retries: ClientRetries, seed: int, requests: int) -> np.ndarray:
    """By number: the pause before a sending; 0 for the first ones."""
    pauses = np.zeros((retries.attempts, requests))
    for retry in range(retries.attempts - 1):
        draws = uniforms(seed, Purpose.CLIENT_RETRY, np.arange(requests), np.full(requests, retry))
        pauses[retry + 1] = backoff_s(retries.backoff, retry, pauses[retry], draws)
    return pauses.reshape(-1)


def backoff_s(backoff: Backoff, retry: int, previous_s: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """The formulas of ``sim.gateway.stages.retry.backoff_s``, for many clients at once."""
    ceiling_s = min(backoff.cap, backoff.base * 2.0**retry)
    match backoff.kind:
        case "none":
            return np.zeros(len(draws))
        case "constant":
            return np.full(len(draws), float(backoff.base))
        case "decorrelated-jitter":
            spread = np.maximum(0.0, 3.0 * np.maximum(previous_s, backoff.base) - backoff.base)
            return np.minimum(backoff.cap, backoff.base + draws * spread)
        case "full-jitter":
            return draws * ceiling_s
        case "equal-jitter":
            return ceiling_s / 2.0 + draws * ceiling_s / 2.0
        case _:
            return np.full(len(draws), ceiling_s)


class RetryingClients:
    """``sim.workload.waiting.Waiting`` over a schedule ``with_retries``."""

    def __init__(self, scenario: Scenario, seed: int, schedule: Schedule) -> None:
        retries = scenario.workload.client.retries
        assert retries is not None
        self.requests = len(schedule) // retries.attempts
        self.arrival_s = schedule.arrival_s
        self.duration_s = schedule.duration_s
        self.pauses_s = pauses_s(retries, seed, self.requests)
        self.then = np.arange(len(schedule)) + self.requests
        self.then[self.then >= len(schedule)] = NOBODY

    def first(self) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(self.requests), self.arrival_s[: self.requests]

    def following(self, number: int) -> tuple[int, float]:
        then = int(self.then[number])
        return then, float(self.pauses_s[then])

    def is_over(self, at_s: float) -> bool:
        return at_s >= self.duration_s
