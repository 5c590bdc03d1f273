"""Random numbers of a provider's attempts: pure functions of target, prompt and occurrence.

The functions at the end have two forms. These are Python's; compiled code draws the same numbers from the same laws and entities.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from sim.scenario.distributions import Distribution
from sim.scenario.model import ProviderModel
from sim.stochastics.distributions import inverse, quantile
from sim.stochastics.random_streams import Purpose, uniform, uniforms

SPARSE = 2**62
"""Prompts from here on are hashes without neighbours: drawing a block of them would be waste."""
DEFAULT_ERROR_AFTER_S = 0.1
BLOCK_BITS = 10  # prompts of a block: unique ones arrive in order
REPEAT_BITS = 4  # occurrences of one prompt
KEPT_BLOCKS = 256
KEPT_REPEATS = 16_384

Block = list[tuple[float, float]]


class ModelDraws:
    """The laws of one target, and blocks of (time to first token, time per token) and of error draws.

    First visits are drawn in blocks of neighbouring prompts, later ones in blocks of a prompt's occurrences. Draws are pure functions of
    their entity, so forgetting a block costs time, never a different number.
    """

    def __init__(self, seed: int, target: str, model: ProviderModel, error_after: Distribution | None) -> None:
        self.seed = seed
        self.entity = zlib.crc32(target.encode())
        first = model.latency if model.latency is not None else model.ttft
        assert first is not None, "the scenario's own checks: a model has latency or ttft"
        self.ttft, self.per_token, self.correlation = first, model.per_token, model.correlation
        self.cold_delay = None if model.cold_start is None else model.cold_start.delay
        self.error_after = error_after
        self.ttft_s = inverse(first)
        self.per_token_s = None if model.per_token is None else inverse(model.per_token)
        self.first_visits: dict[int, Block] = {}
        self.repeats: dict[tuple[int, int], Block] = {}
        self.errors: dict[int, list[float]] = {}
        self.draw(0, 0)  # what drawing imports (scipy: up to a second) a mock must have imported before its first request

    def draw(self, prompt: int, occurrence: int) -> tuple[float, float]:
        if occurrence == 0 and prompt < SPARSE:
            number = prompt >> BLOCK_BITS
            if scattered(self.first_visits, number):
                return self.one(prompt)
            first_visits = self.times(np.arange(number << BLOCK_BITS, (number + 1) << BLOCK_BITS), 0)
            keep(self.first_visits, number, first_visits, KEPT_BLOCKS)
            return first_visits[prompt - (number << BLOCK_BITS)]
        first = occurrence >> REPEAT_BITS << REPEAT_BITS
        repeats = self.repeats.get((prompt, first))
        if repeats is None:
            repeats = self.times(prompt, np.arange(first, first + (1 << REPEAT_BITS)))
            keep(self.repeats, (prompt, first), repeats, KEPT_REPEATS)
        return repeats[occurrence - first]

    def times(self, prompt: Any, occurrence: Any) -> Block:
        luck = uniforms(self.seed, Purpose.TTFT, self.entity, prompt, occurrence)
        first = self.ttft_s(luck).tolist()
        if self.per_token_s is None:
            return [(first_s, 0.0) for first_s in first]
        own = uniforms(self.seed, Purpose.PER_TOKEN, self.entity, prompt, occurrence)
        each = self.per_token_s(coupled(luck, own, self.correlation) if self.correlation else own).tolist()
        return list(zip(first, each, strict=True))

    def one(self, prompt: int) -> tuple[float, float]:
        """The times of a first visit, drawn alone."""
        luck = uniform(self.seed, Purpose.TTFT, self.entity, prompt, 0)
        first_s = float(self.ttft_s(np.array([luck]))[0])
        if self.per_token_s is None:
            return first_s, 0.0
        own = np.array([uniform(self.seed, Purpose.PER_TOKEN, self.entity, prompt, 0)])
        return first_s, float(self.per_token_s(coupled(np.array([luck]), own, self.correlation) if self.correlation else own)[0])

    def error(self, prompt: int, occurrence: int) -> float:
        if occurrence > 0 or prompt >= SPARSE:
            return uniform(self.seed, Purpose.ERROR, self.entity, prompt, occurrence)
        number = prompt >> BLOCK_BITS
        errors = self.errors.get(number)
        if errors is None:
            if scattered(self.errors, number):
                return uniform(self.seed, Purpose.ERROR, self.entity, prompt, 0)
            prompts = np.arange(number << BLOCK_BITS, (number + 1) << BLOCK_BITS)
            errors = uniforms(self.seed, Purpose.ERROR, self.entity, prompts, 0).tolist()
            keep(self.errors, number, errors, KEPT_BLOCKS)
        return errors[prompt - (number << BLOCK_BITS)]


def scattered(blocks: dict[int, Any], number: int) -> bool:
    """Whether prompts come from a catalog too large for its blocks: the neighbours of one would be forgotten before they are asked for."""
    return len(blocks) >= KEPT_BLOCKS and number - 1 not in blocks


def coupled(u: np.ndarray, v: np.ndarray, correlation: float) -> np.ndarray:
    """Uniforms made of ``v`` whose normal scores have ``correlation`` with those of ``u``, both independent uniforms in (0, 1)."""
    from scipy.special import ndtr, ndtri

    scores = correlation * ndtri(u) + np.sqrt(1.0 - correlation**2) * ndtri(v)
    return np.clip(ndtr(scores), 2.0**-53, 1.0 - 2.0**-53)


def keep(blocks: dict[Any, Any], key: Any, block: Any, most: int) -> None:
    """Instead of the oldest one, if there are so many already."""
    if len(blocks) >= most:
        del blocks[next(iter(blocks))]
    blocks[key] = block


# ---- two forms


def count_visit(p: Any, target: int, prompt: int) -> int:
    """How often the target had seen the prompt before: its occurrence. (Compiled: an array by target and prompt.)"""
    visits = p.visits[target]
    occurrence: int = visits.get(prompt, 0)
    visits[prompt] = occurrence + 1
    return occurrence


def service_times(p: Any, target: int, prompt: int, occurrence: int) -> tuple[float, float]:
    """(time to first token, time per token) in seconds, before all effects."""
    draws = p.draws[target]
    if occurrence == 0 and (block := draws.first_visits.get(prompt >> BLOCK_BITS)) is not None:
        times: tuple[float, float] = block[prompt & (1 << BLOCK_BITS) - 1]
        return times
    return draws.draw(prompt, occurrence)


def error_draw(p: Any, target: int, prompt: int, occurrence: int) -> float:
    """In (0, 1): an attempt fails if it is below its provider's error rate."""
    return p.draws[target].error(prompt, occurrence)


def fault_draw(p: Any, number: int, prompt: int, occurrence: int) -> float:
    """In (0, 1): fault ``number`` strikes an attempt if it is below the fault's share."""
    return uniform(p.seed, Purpose.FAULT, number, prompt, occurrence)


def error_after_s(p: Any, target: int, prompt: int, occurrence: int) -> float:
    """Seconds until an error answer."""
    draws = p.draws[target]
    if draws.error_after is None:
        return DEFAULT_ERROR_AFTER_S
    u = uniform(p.seed, Purpose.ERROR_AFTER, draws.entity, prompt, occurrence)
    return float(quantile(draws.error_after, np.array([u]))[0])


def cold_delay_s(p: Any, target: int, prompt: int, occurrence: int) -> float:
    """Seconds that the cold start takes which this attempt begins."""
    draws = p.draws[target]
    u = uniform(p.seed, Purpose.COLD_START, draws.entity, prompt, occurrence)
    return float(quantile(draws.cold_delay, np.array([u]))[0])
