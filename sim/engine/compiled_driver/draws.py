"""Random numbers of the providers' attempts in compiled code: what the two-form functions of ``sim.provider`` mean there.

``p.draws`` is then a Draws, ``p.visits`` an array by target and prompt.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from sim.engine.compiled_driver.law_tables import GAMMA, NO_LAW, Laws
from sim.engine.compiled_driver.laws import coupled, draw
from sim.engine.compiled_driver.numbing import means
from sim.engine.compiled_driver.randomness import child, unit
from sim.kernel.random import node_below, root_of
from sim.kernel.state import Wide, records_of, state
from sim.provider import draws as python
from sim.provider import prompt_cache
from sim.provider.draws import DEFAULT_ERROR_AFTER_S
from sim.stochastics.random_streams import Purpose

Draws = namedtuple("Draws", ["targets", "laws", "numbers", "roots", "gamma", "coupled"])


@state
class TargetDraws:
    """Laws of a target, by number, and roots of its draws."""

    ttft: int = NO_LAW
    per_token: int = NO_LAW
    error_after: int = NO_LAW
    cold_delay: int = NO_LAW
    correlation: float = 0.0
    ttft_root: Wide = 0
    per_token_root: Wide = 0
    error_root: Wide = 0
    error_after_root: Wide = 0
    cold_root: Wide = 0


@state
class Roots:
    fault: Wide = 0


ROOTS = {
    "ttft_root": Purpose.TTFT, "per_token_root": Purpose.PER_TOKEN, "error_root": Purpose.ERROR, "error_after_root": Purpose.ERROR_AFTER,
    "cold_root": Purpose.COLD_START,
}  # fmt: skip


def draws_of(models: list[Any], seed: int) -> Draws:
    """Of ``sim.provider.draws.ModelDraws`` by target."""
    laws = Laws()
    rows = records_of(TargetDraws(), len(models))
    for row, model in zip(rows, models, strict=True):
        for name in ("ttft", "per_token", "error_after", "cold_delay"):
            row[name] = laws.add(getattr(model, name))
        row["correlation"] = model.correlation or 0.0
        for name, purpose in ROOTS.items():
            row[name] = node_below(root_of(seed, purpose), model.entity)
    table, numbers = laws.arrays()
    gamma, correlated = (table["kind"] == GAMMA).any(), rows["correlation"].any()
    return Draws(rows, table, numbers, records_of(Roots(root_of(seed, Purpose.FAULT)))[0], 1 if gamma else None, 1 if correlated else None)


@means(python.count_visit)
def compiled_count_visit(p: Any, target: int, prompt: int) -> Callable[..., Any]:
    def count_visit(p: Any, target: int, prompt: int) -> int:
        occurrence = p.visits[target, prompt]
        p.visits[target, prompt] = occurrence + 1
        return occurrence

    return count_visit


@means(python.service_times)
def compiled_service_times(p: Any, target: int, prompt: int, occurrence: int) -> Callable[..., Any]:
    def service_times(p: Any, target: int, prompt: int, occurrence: int) -> tuple[float, float]:
        draws = p.draws
        of = draws.targets[target]
        luck = unit(child(child(of.ttft_root, prompt), occurrence))
        first_s, per_token_s = draw(draws, of.ttft, luck), 0.0
        if of.per_token != NO_LAW:
            own = unit(child(child(of.per_token_root, prompt), occurrence))
            if of.correlation != 0.0:
                own = coupled(draws, luck, own, of.correlation)
            per_token_s = draw(draws, of.per_token, own)
        return first_s, per_token_s

    return service_times


@means(python.error_draw)
def compiled_error_draw(p: Any, target: int, prompt: int, occurrence: int) -> Callable[..., Any]:
    return lambda p, target, prompt, occurrence: unit(child(child(p.draws.targets[target].error_root, prompt), occurrence))


@means(python.fault_draw)
def compiled_fault_draw(p: Any, number: int, prompt: int, occurrence: int) -> Callable[..., Any]:
    return lambda p, number, prompt, occurrence: unit(child(child(child(p.draws.roots.fault, number), prompt), occurrence))


@means(python.error_after_s)
def compiled_error_after_s(p: Any, target: int, prompt: int, occurrence: int) -> Callable[..., Any]:
    def error_after_s(p: Any, target: int, prompt: int, occurrence: int) -> float:
        of = p.draws.targets[target]
        if of.error_after == NO_LAW:
            return DEFAULT_ERROR_AFTER_S
        u = unit(child(child(of.error_after_root, prompt), occurrence))
        return draw(p.draws, of.error_after, u)

    return error_after_s


@means(python.cold_delay_s)
def compiled_cold_delay_s(p: Any, target: int, prompt: int, occurrence: int) -> Callable[..., Any]:
    def cold_delay_s(p: Any, target: int, prompt: int, occurrence: int) -> float:
        of = p.draws.targets[target]
        u = unit(child(child(of.cold_root, prompt), occurrence))
        return draw(p.draws, of.cold_delay, u)

    return cold_delay_s


@means(prompt_cache.identity)
def compiled_identity(target: int, conversation: int, first_turn: int, turn: int) -> Callable[..., Any]:
    """A 64-bit hash: two prefixes of one run are told apart but for a chance of some 10^-8 among a million."""
    return lambda target, conversation, first_turn, turn: np.int64(child(child(child(child(0, target), conversation), first_turn), turn))
