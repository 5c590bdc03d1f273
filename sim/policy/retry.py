"""Retries: which answers deserve one, how long to wait, and how many the budget allows."""

from __future__ import annotations

from sim.data.schema import REFUSED, TIMED_OUT
from sim.scenario.model import Backoff

RETRYABLE = (REFUSED, TIMED_OUT, 408, 409, 429)
RESERVE = 10.0
BACKOFFS = ("none", "constant", "exponential", "full-jitter", "equal-jitter", "decorrelated-jitter")
NONE, CONSTANT, EXPONENTIAL, FULL_JITTER, EQUAL_JITTER, DECORRELATED_JITTER = range(6)


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
    balance = budget.balance + budget.ratio
    budget.balance = balance if balance < RESERVE else RESERVE


def withdraw(budget: RetryBudget) -> bool:
    """True and one retry paid for, or False."""
    if budget.balance < 1.0:
        return False
    budget.balance -= 1.0
    return True


def deserves_retry(status: int) -> bool:
    """As the official SDKs and LiteLLM: refused, timed out, 408, 409, 429 and every 5xx."""
    return status in RETRYABLE or status >= 500


class BackoffRule:
    """A backoff's settings as numbers: ``kind`` is one of the constants above."""

    __slots__ = ("base_s", "cap_s", "kind")

    def __init__(self, config: Backoff) -> None:
        self.kind = BACKOFFS.index(config.kind)
        self.base_s = config.base
        self.cap_s = config.cap


def backoff_s(rule: BackoffRule, retry: int, previous_s: float, draw: float) -> float:
    """Seconds before retry number ``retry`` (from 0), by AWS's formulas; ``draw`` is uniform in (0, 1)."""
    if rule.kind == NONE:
        return 0.0
    if rule.kind == CONSTANT:
        return rule.base_s
    if rule.kind == DECORRELATED_JITTER:
        return min(rule.cap_s, rule.base_s + draw * max(0.0, 3.0 * max(previous_s, rule.base_s) - rule.base_s))
    ceiling_s = min(rule.cap_s, rule.base_s * 2.0**retry)
    if rule.kind == FULL_JITTER:
        return draw * ceiling_s
    if rule.kind == EQUAL_JITTER:
        return ceiling_s / 2.0 + draw * ceiling_s / 2.0
    return ceiling_s
