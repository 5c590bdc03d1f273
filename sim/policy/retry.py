"""Retries: which answers deserve one, how long to wait, and how many the budget allows."""

from __future__ import annotations

from sim.records import REFUSED, TIMED_OUT
from sim.scenario.model import Backoff

RETRYABLE = frozenset({REFUSED, TIMED_OUT, 408, 409, 429})
RESERVE = 10.0


class RetryBudget:
    """Retries as a share of requests: each request pays in ``ratio``, each retry costs 1, at most RESERVE is saved up.

    Finagle's RetryBudget without its time windows, on gRPC's token arithmetic (maxTokens 10). It starts full.
    """

    __slots__ = ("balance", "ratio")

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio
        self.balance = RESERVE if ratio > 0 else 0.0

    def __repr__(self) -> str:
        return f"<RetryBudget {self.balance:.2f} of {RESERVE:g}, {self.ratio:.0%} of requests>"


def deposit(budget: RetryBudget) -> None:
    budget.balance = min(RESERVE, budget.balance + budget.ratio)


def withdraw(budget: RetryBudget) -> bool:
    """True and one retry paid for, or False."""
    if budget.balance < 1.0:
        return False
    budget.balance -= 1.0
    return True


def deserves_retry(status: int) -> bool:
    """As the official SDKs and LiteLLM: refused, timed out, 408, 409, 429 and every 5xx."""
    return status in RETRYABLE or status >= 500


def backoff_s(config: Backoff, retry: int, previous_s: float, draw: float) -> float:
    """Seconds before retry number ``retry`` (from 0), by AWS's formulas; ``draw`` is uniform in (0, 1)."""
    if config.kind == "none":
        return 0.0
    if config.kind == "constant":
        return config.base
    if config.kind == "decorrelated-jitter":
        return min(config.cap, config.base + draw * max(0.0, 3.0 * max(previous_s, config.base) - config.base))
    ceiling_s = min(config.cap, config.base * 2.0**retry)
    if config.kind == "full-jitter":
        return draw * ceiling_s
    if config.kind == "equal-jitter":
        return ceiling_s / 2.0 + draw * ceiling_s / 2.0
    return ceiling_s
