"""One provider's behaviour: what happens to an attempt, and when. The model sleeps through a plan; the mock plays it on a socket."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable
from enum import IntEnum
from math import ceil

import numpy as np

from sim.data.schema import REFUSED
from sim.provider.fault_timeline import timelines
from sim.provider.latency_effects import Shape, coupled, is_shaped
from sim.provider.processor_sharing import SharedServer, enter, leave
from sim.provider.prompt_cache import PrefixCache, Prefixes
from sim.provider.rate_limits import KeyLimits
from sim.scenario.model import Fault, ProviderModel, Scenario
from sim.stochastics.distributions import inverse, quantile
from sim.stochastics.random_streams import Purpose, uniform, uniforms

DEFAULT_ERROR_AFTER_S = 0.1
INFINITY = float("inf")
RETRY_AFTER_STEP_S = {"anthropic": 1.0}
"""Anthropic tells retry-after in whole seconds; the others have a header in milliseconds."""
LONGEST_WAIT_S = 1e9
SPARSE = 2**62
"""Prompts from here on are hashes without neighbours: drawing a block of them would be waste."""


class Ending(IntEnum):
    """How a 200 answer ends. Whoever reads it has an answer after the first two only."""

    COMPLETE = 0
    FILTERED = 1  # cut by the content filter, which the answer says
    RESET = 2
    TRUNCATED = 3  # ends cleanly, without its last events
    STREAM_ERROR = 4
    MALFORMED = 5
    STALLED = 6  # never ends


BEFORE_THE_ANSWER = ("outage", "errors", "rate-limit")
ENDINGS = {
    "content-filter": Ending.FILTERED, "reset": Ending.RESET, "truncate": Ending.TRUNCATED, "stream-error": Ending.STREAM_ERROR,
    "malformed": Ending.MALFORMED, "stall": Ending.STALLED,
}  # fmt: skip


class Plan:
    """What will happen to one attempt, in seconds after its arrival.

    ``status`` is 200, an HTTP error status, or REFUSED (the connection is reset). Token k of a 200 answer is due at
    ``first_token_s + k * per_token_s``, and the answer ends with its last token at ``duration_s``. An error answer comes whole
    at ``first_token_s == duration_s``. With ``hang`` nothing ever comes (both are infinite).

    A 200 answer may also break off: ``ending`` says how, ``output_tokens`` and ``duration_s`` then are those until it does (forever for
    a stalled one), and ``final_status`` is what a client is left with: REFUSED for a broken answer, ``status`` otherwise.
    ``slow_headers``: from arrival on the answer's head trickles in. On a ``shared`` server times are amounts of work: the more requests
    are in service, the slower they pass.
    """

    __slots__ = (
        "cached_tokens", "duration_s", "ending", "final_status", "first_token_s", "input_tokens", "key", "model", "occurrence",
        "output_tokens", "per_token_s", "prompt", "retry_after_s", "shared", "slow_headers", "status",
    )  # fmt: skip

    def __init__(self, model: str, key: int, prompt: int, occurrence: int, input_tokens: int, output_tokens: int) -> None:
        self.model = model
        self.key = key
        self.prompt = prompt
        self.occurrence = occurrence
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.status = self.final_status = 200
        self.ending = Ending.COMPLETE
        self.cached_tokens = 0
        self.slow_headers = False
        self.first_token_s = 0.0
        self.per_token_s = 0.0
        self.duration_s = 0.0
        self.retry_after_s: float | None = None
        self.shared: SharedServer | None = None

    @property
    def hang(self) -> bool:
        return self.first_token_s == INFINITY

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


def told_s(wait_s: float, step_s: float) -> float:
    """A wait as a provider's headers can tell it: in whole steps, rounded up (a microsecond's excess is rounding)."""
    return ceil(wait_s / step_s - 1e-6) * step_s if wait_s < LONGEST_WAIT_S else wait_s


class ServiceDraws:
    """``get(prompt, occurrence)`` -> (first_token_s, per_token_s, error draw in (0, 1)) of one target.

    First visits are drawn in blocks of neighbouring prompts, since unique prompts arrive in order; later visits one by one. Draws are
    pure functions of their entity, so forgetting a block costs time, never a different number.
    """

    KEPT_BLOCKS = 256

    def __init__(self, seed: int, target: str, model: ProviderModel) -> None:
        self.seed = seed
        self.entity = zlib.crc32(target.encode())
        first = model.latency if model.latency is not None else model.ttft
        assert first is not None, "the scenario's own checks: a model has latency or ttft"
        self.ttft, self.per_token = first, model.per_token
        self.ttft_s = inverse(first)
        self.per_token_s = None if model.per_token is None else inverse(model.per_token)
        self.correlation = model.correlation
        self.blocks: dict[int, list[tuple[float, float, float]]] = {}
        self.get(0, 0)  # what drawing imports (scipy: up to a second) a mock must have imported before its first request

    def get(self, prompt: int, occurrence: int) -> tuple[float, float, float]:
        if occurrence > 0 or prompt >= SPARSE:
            return self._draw(lambda purpose: np.array([uniform(self.seed, purpose, self.entity, prompt, occurrence)]))[0]
        block = self.blocks.get(prompt >> 10)
        if block is None:
            prompts = np.arange(1024) + (prompt & ~1023)
            block = self._draw(lambda purpose: uniforms(self.seed, purpose, self.entity, prompts, 0))
            if len(self.blocks) >= self.KEPT_BLOCKS:
                del self.blocks[next(iter(self.blocks))]
            self.blocks[prompt >> 10] = block
        return block[prompt & 1023]

    def _draw(self, draw: Callable[[Purpose], np.ndarray]) -> list[tuple[float, float, float]]:
        luck = draw(Purpose.TTFT)
        first = self.ttft_s(luck).tolist()
        if self.per_token_s is None:
            each = [0.0] * len(first)
        else:
            own = draw(Purpose.PER_TOKEN)
            each = self.per_token_s(coupled(luck, own, self.correlation) if self.correlation else own).tolist()
        return list(zip(first, each, draw(Purpose.ERROR).tolist(), strict=True))


class ProviderState:
    """One provider of the scenario at work. ``begin`` admits and plans an attempt, ``finish`` gives its place back."""

    def __init__(self, scenario: Scenario, provider: str, seed: int) -> None:
        self.config = scenario.providers[provider]
        self.name = provider
        self.seed = seed
        self.draws = {name: ServiceDraws(seed, f"{provider}/{name}", model) for name, model in self.config.models.items()}
        self.visits: dict[str, defaultdict[int, int]] = {name: defaultdict(int) for name in self.config.models}
        limits = self.config.limits
        limited = limits.requests or limits.tokens or limits.input_tokens or limits.output_tokens
        self.keys = [KeyLimits(limits) for _ in range(self.config.keys)] if limited else []
        self.faults = timelines(scenario.faults, provider, seed)
        errors = self.config.errors
        self.error_rate, self.error_status = (errors.rate, errors.status) if errors else (0.0, 500)
        self.concurrency = self.config.concurrency
        self.in_service = 0
        models = self.config.models
        self.shapes = {name: Shape(models[name], seed, self.draws[name].entity) for name in models if is_shaped(models[name])}
        self.windows = {name: model.context for name, model in models.items() if model.context is not None}
        self.shared = {name: SharedServer(model.batching) for name, model in models.items() if model.batching is not None}
        cache = self.config.prompt_cache
        self.caches = {name: PrefixCache(cache) for name in models} if cache is not None else {}
        self.rtt_s = self.config.rtt
        self.retry_after_step_s = RETRY_AFTER_STEP_S.get(self.config.dialect, 0.001)

    def begin(
        self, now_s: float, model: str, key: int, prompt: int, input_tokens: int, output_tokens: int, prefixes: Prefixes = ()
    ) -> Plan:
        """Admit one attempt at ``now_s`` seconds from the run's t0 and decide all that will happen to it.

        In this order: faults, the context window, the prompt cache, the key's limits, the concurrency limit, random errors, success.
        ``prefixes`` matter with a prompt cache only. Whoever calls this calls ``finish`` once with the plan. Raises KeyError for a
        model the provider does not have.
        """
        visits = self.visits[model]
        occurrence = visits[prompt]
        visits[prompt] = occurrence + 1
        self.in_service += 1
        plan = Plan(model, key, prompt, occurrence, input_tokens, output_tokens)
        if self.shapes and model in self.shapes:
            self.shapes[model].enter(now_s, prompt, occurrence)
        ttft_factor = per_token_factor = 1.0
        wound: Fault | None = None
        if self.faults:
            for timeline in self.faults:
                if not timeline.strikes(model, key, occurrence, now_s):
                    continue
                fault = timeline.fault
                if fault.kind == "brownout":
                    ttft_factor *= fault.ttft_factor
                    per_token_factor *= fault.per_token_factor
                elif fault.share >= 1.0 or uniform(self.seed, Purpose.FAULT, timeline.number, prompt, occurrence) < fault.share:
                    if fault.kind in BEFORE_THE_ANSWER:
                        return self._struck(plan, fault)
                    wound = wound or fault
        if self.windows and input_tokens + output_tokens > self.windows.get(model, INFINITY):
            return self._refuse(plan, 400, None)
        if self.caches:
            plan.cached_tokens = self.caches[model].read(prefixes, input_tokens, now_s)
        if self.keys:
            retry_after_s = self.keys[key].retry_after_s(now_s, input_tokens, output_tokens, plan.cached_tokens)
            if retry_after_s is not None:
                return self._refuse(plan, 429, told_s(retry_after_s, self.retry_after_step_s))
        if self.concurrency is not None and self.in_service > self.concurrency:
            return self._refuse(plan, 429, None)
        first_token_s, per_token_s, error = self.draws[model].get(prompt, occurrence)
        if error < self.error_rate:
            return self._refuse(plan, self.error_status, None)
        if self.shared and model in self.shared:
            if not enter(self.shared[model], now_s):
                return self._refuse(plan, 429, None)
            plan.shared = self.shared[model]
        if self.shapes and model in self.shapes:
            first_token_s, per_token_s = self.shapes[model].stretch(now_s, first_token_s, per_token_s, input_tokens, plan.cached_tokens)
        plan.first_token_s = first_token_s * ttft_factor + self.rtt_s
        plan.per_token_s = per_token_s * per_token_factor
        plan.duration_s = plan.first_token_s + (output_tokens - 1) * plan.per_token_s
        if wound is not None:
            self._wound(plan, wound)
        return plan

    def finish(self, plan: Plan, now_s: float) -> None:
        """The attempt has ended, or was cut."""
        self.in_service -= 1
        if self.shapes and plan.model in self.shapes:
            self.shapes[plan.model].leave(now_s)
        if plan.shared is not None:
            leave(plan.shared, now_s)

    def _struck(self, plan: Plan, fault: Fault) -> Plan:
        if fault.kind == "outage" and fault.mode == "hang":
            plan.output_tokens = 0
            plan.first_token_s = plan.duration_s = INFINITY
            return plan
        if fault.kind == "outage" and fault.mode == "refused":
            plan.status = plan.final_status = REFUSED
            plan.output_tokens = 0
            return plan
        return self._refuse(plan, 429 if fault.kind == "rate-limit" else fault.status, None)

    def _wound(self, plan: Plan, fault: Fault) -> None:
        """An answer that will come late, or not to its end."""
        if fault.kind == "slow-headers":
            plan.slow_headers = True
            plan.first_token_s += fault.delay
            plan.duration_s += fault.delay
            return
        plan.ending = ENDINGS[fault.kind]
        plan.output_tokens = max(1, ceil(fault.after * plan.output_tokens))
        plan.duration_s = plan.first_token_s + (plan.output_tokens - 1) * plan.per_token_s
        if plan.ending is Ending.STALLED:
            plan.duration_s = INFINITY
        if plan.ending is not Ending.FILTERED:
            plan.final_status = REFUSED

    def _refuse(self, plan: Plan, status: int, retry_after_s: float | None) -> Plan:
        plan.status = plan.final_status = status
        plan.output_tokens = 0
        plan.retry_after_s = retry_after_s
        plan.first_token_s = plan.duration_s = self._error_after_s(plan) + self.rtt_s
        return plan

    def _error_after_s(self, plan: Plan) -> float:
        errors = self.config.errors
        if errors is None or errors.after is None:
            return DEFAULT_ERROR_AFTER_S
        draw = uniform(self.seed, Purpose.ERROR_AFTER, self.draws[plan.model].entity, plan.prompt, plan.occurrence)
        return float(quantile(errors.after, np.array([draw]))[0])
