"""What moves a model's latency besides luck: the prompt's length, the other requests in service, a cold start."""

from __future__ import annotations

import numpy as np

from sim.scenario.model import ProviderModel
from sim.stochastics.distributions import quantile
from sim.stochastics.random_streams import Purpose, uniform

NEVER_S = float("-inf")


def is_shaped(model: ProviderModel) -> bool:
    return bool(model.ttft_per_1k or model.ttft_per_1k_cached or model.doubles_at or model.cold_start)


def coupled(u: np.ndarray, v: np.ndarray, correlation: float) -> np.ndarray:
    """Uniforms made of ``v`` whose normal scores have ``correlation`` with those of ``u``, both independent uniforms in (0, 1)."""
    from scipy.special import ndtr, ndtri

    scores = correlation * ndtri(u) + np.sqrt(1.0 - correlation**2) * ndtri(v)
    return np.clip(ndtr(scores), 2.0**-53, 1.0 - 2.0**-53)


class Shape:
    """One model of a provider: attempts in service, and whether it is warm."""

    __slots__ = ("config", "entity", "idle_since_s", "in_service", "per_cached_token_s", "per_input_token_s", "ready_s", "seed")

    def __init__(self, model: ProviderModel, seed: int, entity: int) -> None:
        self.config = model
        self.seed = seed
        self.entity = entity
        self.in_service = 0
        self.idle_since_s = 0.0
        self.ready_s = NEVER_S
        self.per_input_token_s = model.ttft_per_1k / 1000.0
        self.per_cached_token_s = model.ttft_per_1k_cached / 1000.0

    def enter(self, now_s: float, prompt: int, occurrence: int) -> None:
        cold = self.config.cold_start
        if cold is not None and self.in_service == 0 and now_s - self.idle_since_s > cold.idle and now_s >= self.ready_s:
            draw = uniform(self.seed, Purpose.COLD_START, self.entity, prompt, occurrence)
            self.ready_s = now_s + float(quantile(cold.delay, np.array([draw]))[0])
        self.in_service += 1

    def leave(self, now_s: float) -> None:
        self.in_service -= 1
        self.idle_since_s = now_s

    def stretch(self, now_s: float, first_token_s: float, per_token_s: float, input_tokens: int, cached_tokens: int) -> tuple[float, float]:
        """(first_token_s, per_token_s) of an attempt that has entered. Load counts as it is on arrival."""
        first_token_s += (input_tokens - cached_tokens) * self.per_input_token_s + cached_tokens * self.per_cached_token_s
        if self.ready_s > now_s:
            first_token_s += self.ready_s - now_s
        if self.config.doubles_at is not None:
            per_token_s *= 1.0 + (self.in_service - 1) / self.config.doubles_at
        return first_token_s, per_token_s
