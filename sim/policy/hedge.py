"""Hedging: when a call has nothing to show after a while, a second one races it, and the loser is cancelled."""

from __future__ import annotations

from collections.abc import Callable

from sim.policy.retry import RetryBudget
from sim.scenario.model import Hedge


class HedgeState:
    """Settings, and the budget that keeps hedges a small share of requests (Dean & Barroso, "The Tail at Scale", 2013: some 5 %)."""

    __slots__ = ("after_s", "budget", "to_next")

    def __init__(self, config: Hedge) -> None:
        self.after_s = config.after
        self.to_next = config.to == "next"
        self.budget = RetryBudget(config.at_most)

    def __repr__(self) -> str:
        return f"<Hedge after {self.after_s:g} s, {self.budget}>"


class Race:
    """Calls racing for one request. Whoever shows content first to a client that streams has won, before its answer is complete.

    ``cancel`` (by racer, from 0) is the world's; it must not run the racer's code before the caller has come to rest.
    """

    __slots__ = ("cancel", "leader")

    def __init__(self) -> None:
        self.leader = -1
        self.cancel: list[Callable[[], object]] = []

    @property
    def decided(self) -> bool:
        return self.leader >= 0

    def win(self, racer: int) -> None:
        """Racer number ``racer`` has won: the others are cancelled."""
        if self.leader < 0:
            self.leader = racer
            for number, cancel in enumerate(self.cancel):
                if number != racer:
                    cancel()
