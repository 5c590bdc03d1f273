"""One provider's behaviour: what happens to an attempt, and when. The model sleeps through a plan; the mock plays it on a socket."""

from __future__ import annotations

import zlib
from collections import defaultdict

import numpy as np

from sim.distributions import quantile
from sim.draws import Purpose, uniform, uniforms
from sim.faults import active_faults
from sim.policy.limiter import ALGORITHMS
from sim.records import REFUSED
from sim.scenario.model import Limits, ProviderModel, Scenario

DEFAULT_ERROR_AFTER_S = 0.1


class Plan:
    """What will happen to one attempt, in seconds after its arrival.

    ``status`` is 200, an HTTP error status, or REFUSED (the connection is reset). Token k of a 200 answer is due at
    ``first_token_s + k * per_token_s``, and the answer ends with its last token at ``duration_s``. An error answer comes whole
    at ``first_token_s == duration_s``. With ``hang`` nothing ever comes (both are infinite).
    """

    __slots__ = (
        "duration_s", "first_token_s", "input_tokens", "key", "model", "occurrence", "output_tokens", "per_token_s", "prompt",
        "retry_after_s", "status",
    )  # fmt: skip

    def __init__(self, model: str, key: int, prompt: int, occurrence: int, input_tokens: int, output_tokens: int) -> None:
        self.model = model
        self.key = key
        self.prompt = prompt
        self.occurrence = occurrence
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.status = 200
        self.first_token_s = 0.0
        self.per_token_s = 0.0
        self.duration_s = 0.0
        self.retry_after_s: float | None = None

    @property
    def hang(self) -> bool:
        return self.duration_s == float("inf")

    def produced(self, elapsed_s: float) -> int:
        """Output tokens that exist ``elapsed_s`` after arrival: what is billed when the attempt is cut there."""
        if self.status != 200:
            return 0
        return produced_tokens(elapsed_s, self.first_token_s, self.per_token_s, self.duration_s, self.output_tokens)

    def __repr__(self) -> str:
        return (
            f"<Plan {self.model} {self.status}: first token after {self.first_token_s:.3f} s, "
            f"{self.output_tokens} tokens in {self.duration_s:.3f} s>"
        )


def produced_tokens(elapsed_s: float, first_token_s: float, per_token_s: float, duration_s: float, output_tokens: int) -> int:
    """Tokens of a 200 answer that exist ``elapsed_s`` after the attempt's arrival."""
    if elapsed_s < first_token_s:
        return 0
    if elapsed_s >= duration_s or per_token_s == 0.0:
        return output_tokens
    return min(output_tokens, 1 + int((elapsed_s - first_token_s) / per_token_s))


class ServiceDraws:
    """``get(prompt, occurrence)`` -> (first_token_s, per_token_s, error draw in (0, 1)) of one target.

    Drawn in blocks: neighbouring prompts for a first visit (unique prompts arrive in order), later visits of one prompt otherwise.
    A block is a pure function of its key, so forgetting one costs time, never a different number.
    """

    FIRST_VISITS = 1024
    LATER_VISITS = 8
    KEPT_BLOCKS = 256

    def __init__(self, seed: int, target: str, model: ProviderModel) -> None:
        self.seed = seed
        self.entity = zlib.crc32(target.encode())
        self.ttft = model.latency if model.latency is not None else model.ttft
        self.per_token = model.per_token
        self.blocks: dict[tuple[int, int], list[tuple[float, float, float]]] = {}

    def get(self, prompt: int, occurrence: int) -> tuple[float, float, float]:
        if occurrence == 0:
            key, place = (-1, prompt >> 10), prompt & 1023
        else:
            key, place = (prompt, occurrence >> 3), occurrence & 7
        block = self.blocks.get(key)
        if block is None:
            block = self._draw(key)
        return block[place]

    def _draw(self, key: tuple[int, int]) -> list[tuple[float, float, float]]:
        if key[0] == -1:
            prompts = np.arange(self.FIRST_VISITS, dtype=np.int64) + key[1] * self.FIRST_VISITS
            occurrences = np.zeros(self.FIRST_VISITS, np.int64)
        else:
            occurrences = np.arange(self.LATER_VISITS, dtype=np.int64) + key[1] * self.LATER_VISITS
            prompts = np.full(self.LATER_VISITS, key[0], np.int64)

        def draw(purpose: Purpose) -> np.ndarray:
            return uniforms(self.seed, purpose, self.entity, prompts, occurrences)

        first = quantile(self.ttft, draw(Purpose.TTFT)).tolist()
        each = [0.0] * len(first) if self.per_token is None else quantile(self.per_token, draw(Purpose.PER_TOKEN)).tolist()
        block = list(zip(first, each, draw(Purpose.ERROR).tolist(), strict=True))
        if len(self.blocks) >= self.KEPT_BLOCKS:
            del self.blocks[next(iter(self.blocks))]
        self.blocks[key] = block
        return block


class KeyLimits:
    """The limits of one API key: requests and tokens, each by the scenario's algorithm."""

    __slots__ = ("requests", "take", "tokens", "wait")

    def __init__(self, limits: Limits) -> None:
        state, self.take, self.wait = ALGORITHMS[limits.algorithm]
        self.requests = state(limits.requests) if limits.requests else None
        self.tokens = state(limits.tokens) if limits.tokens else None

    def retry_after_s(self, now_s: float, tokens: int) -> float | None:
        """None and the request charged, or the seconds after which to come back."""
        if self.requests is not None and not self.take(self.requests, now_s, 1.0):
            return self.wait(self.requests, now_s, 1.0)
        if self.tokens is not None and not self.take(self.tokens, now_s, tokens):
            return self.wait(self.tokens, now_s, tokens)
        return None


class ProviderState:
    """One provider of the scenario at work. ``begin`` admits and plans an attempt, ``finish`` gives its place back."""

    def __init__(self, scenario: Scenario, provider: str, seed: int) -> None:
        self.config = scenario.providers[provider]
        self.name = provider
        self.seed = seed
        self.draws = {name: ServiceDraws(seed, f"{provider}/{name}", model) for name, model in self.config.models.items()}
        self.visits: dict[str, defaultdict[int, int]] = {name: defaultdict(int) for name in self.config.models}
        limited = self.config.limits.requests or self.config.limits.tokens
        self.keys = [KeyLimits(self.config.limits) for _ in range(self.config.keys)] if limited else []
        self.faults = [(number, fault) for number, fault in enumerate(scenario.faults) if fault.provider == provider]
        self.error_rate = self.config.errors.rate if self.config.errors else 0.0
        self.concurrency = self.config.concurrency
        self.in_service = 0

    def begin(self, now_s: float, model: str, key: int, prompt: int, input_tokens: int, output_tokens: int) -> Plan:
        """Admit one attempt at ``now_s`` seconds from the run's t0 and decide all that will happen to it.

        In this order: faults, the key's limits, the concurrency limit, random errors, success. Whoever calls this calls
        ``finish`` once with the plan. Raises KeyError for a model the provider does not have.
        """
        visits = self.visits[model]
        occurrence = visits[prompt]
        visits[prompt] = occurrence + 1
        self.in_service += 1
        plan = Plan(model, key, prompt, occurrence, input_tokens, output_tokens)
        ttft_factor = per_token_factor = 1.0
        if self.faults:
            for number, fault in active_faults(self.faults, model, now_s):
                if fault.kind == "brownout":
                    ttft_factor *= fault.ttft_factor
                    per_token_factor *= fault.per_token_factor
                elif fault.share >= 1.0 or uniform(self.seed, Purpose.FAULT, number, prompt, occurrence) < fault.share:
                    return self._struck(plan, fault.kind, fault.mode, fault.status)
        if self.keys:
            retry_after_s = self.keys[key].retry_after_s(now_s, input_tokens + output_tokens)
            if retry_after_s is not None:
                return self._refuse(plan, 429, retry_after_s)
        if self.concurrency is not None and self.in_service > self.concurrency:
            return self._refuse(plan, 429, None)
        first_token_s, per_token_s, error = self.draws[model].get(prompt, occurrence)
        if error < self.error_rate:
            return self._refuse(plan, self.config.errors.status, None)
        plan.first_token_s = first_token_s * ttft_factor
        plan.per_token_s = per_token_s * per_token_factor
        plan.duration_s = plan.first_token_s + (output_tokens - 1) * plan.per_token_s
        return plan

    def finish(self, plan: Plan, now_s: float) -> None:
        """The attempt has ended, or was cut."""
        self.in_service -= 1

    def _struck(self, plan: Plan, kind: str, mode: str, status: int) -> Plan:
        if kind == "outage" and mode == "hang":
            plan.output_tokens = 0
            plan.first_token_s = plan.duration_s = float("inf")
            return plan
        if kind == "outage" and mode == "refused":
            plan.status, plan.output_tokens = REFUSED, 0
            return plan
        return self._refuse(plan, 429 if kind == "rate-limit" else status, None)

    def _refuse(self, plan: Plan, status: int, retry_after_s: float | None) -> Plan:
        plan.status = status
        plan.output_tokens = 0
        plan.retry_after_s = retry_after_s
        plan.first_token_s = plan.duration_s = self._error_after_s(plan)
        return plan

    def _error_after_s(self, plan: Plan) -> float:
        errors = self.config.errors
        if errors is None or errors.after is None:
            return DEFAULT_ERROR_AFTER_S
        draw = uniform(self.seed, Purpose.ERROR_AFTER, self.draws[plan.model].entity, plan.prompt, plan.occurrence)
        return float(quantile(errors.after, np.array([draw]))[0])
