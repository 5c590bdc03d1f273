"""Samples of the gateway's state at regular times, as ``sim.engine.sampling`` takes them."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import Any

from sim.engine.compiled_driver.numbing import apart, is_there, jitable, means
from sim.gateway.stages.breaker import CLOSED


@jitable
def sample_until(g: Any, e: Any, at_s: float) -> None:
    """Take the samples that are due by ``at_s``: before anything else that happens then."""
    while e.loop.sample_due_s <= at_s:
        take_sample(g, e)


@apart
def take_sample(g: Any, e: Any) -> None:
    loop = e.loop
    sample = e.timeline[loop.sampled]
    sample.at_s = loop.sample_due_s
    sample.waiting, sample.in_service = levels(g)
    sample.open_breakers = open_breakers(g)
    loop.sampled += 1
    loop.sample_due_s = loop.sampled * loop.sample_every_s if loop.sampled < len(e.timeline) else nan


def levels(g: Any) -> tuple[int, int]:
    """(waiting for admission, in service)"""
    raise NotImplementedError


@means(levels)
def compiled_levels(g: Any) -> Callable[..., Any]:
    def in_flight(g: Any) -> tuple[int, int]:
        count = 0
        for target in range(len(g.targets)):
            count += g.targets[target].in_flight
        return 0, count

    return (lambda g: (g.admission.waiting, g.admission.in_service)) if is_there(g, "admission") else in_flight


def open_breakers(g: Any) -> int:
    raise NotImplementedError


@means(open_breakers)
def compiled_open_breakers(g: Any) -> Callable[..., Any]:
    def count_open(g: Any) -> int:
        count = 0
        for target in range(len(g.circuits)):
            if g.circuits[target].state != CLOSED:
                count += 1
        return count

    return count_open if is_there(g, "breaker") else lambda g: 0
