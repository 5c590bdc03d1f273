"""The limits of one provider key: requests, tokens, input and output tokens, by the scenario's algorithm."""

from __future__ import annotations

from typing import Any

from sim.policy.limiter import ALGORITHMS
from sim.scenario.model import ProviderLimits
from sim.scenario.units import Rate


class KeyLimits:
    """What one key may still do. A limiter is None where the scenario sets no limit."""

    __slots__ = ("input_tokens", "output_tokens", "requests", "reserve", "take", "tokens", "wait")

    def __init__(self, limits: ProviderLimits) -> None:
        state, self.take, self.wait = ALGORITHMS[limits.algorithm]

        def limiter(limit: Rate | None) -> Any:
            if limit is None:
                return None
            if limits.window is not None:
                limit = Rate(max(1.0, limit.rps * limits.window), limits.window)
            return state(limit)

        self.requests = limiter(limits.requests)
        self.tokens = limiter(limits.tokens)
        self.input_tokens = limiter(limits.input_tokens)
        self.output_tokens = limiter(limits.output_tokens)
        self.reserve = limits.reserve

    def retry_after_s(self, now_s: float, input_tokens: int, output_tokens: int, cached_tokens: int) -> float | None:
        """None and the request charged, or the seconds after which to come back."""
        if self.requests is not None and not self.take(self.requests, now_s, 1.0):
            return self.wait(self.requests, now_s, 1.0)
        tokens = input_tokens + (output_tokens if self.reserve is None else self.reserve)
        wait_s = None
        if self.tokens is not None and not self.take(self.tokens, now_s, tokens):
            wait_s = self.wait(self.tokens, now_s, tokens)
        elif self.input_tokens is not None and not self.take(self.input_tokens, now_s, input_tokens - cached_tokens):
            wait_s = self.wait(self.input_tokens, now_s, input_tokens - cached_tokens)
        elif self.output_tokens is not None and not self.take(self.output_tokens, now_s, output_tokens):
            wait_s = self.wait(self.output_tokens, now_s, output_tokens)
        return wait_s
