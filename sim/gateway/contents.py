"""The versions of the contents that prompts are about, as the freshness stage has them change: what a provider's answer rests on."""

from __future__ import annotations

from math import floor
from typing import Any

from sim.gateway.stages.freshness import poisson_of_one
from sim.gateway.stages.semantic_cache import catalogs_of
from sim.kernel.random import node_below, root_of, uniform_below, uniform_of
from sim.stochastics.random_streams import Purpose


class Contents:
    """Of the prompts of a scenario whose class says that they change (``prompts.changes``)."""

    def __init__(self, scenario: Any, seed: int) -> None:
        self.root = root_of(seed, Purpose.CONTENT)
        self.catalogs = [
            (catalog.first_prompt, catalog.first_prompt + catalog.prompts, each.prompts.changes)
            for catalog, each in zip(catalogs_of(scenario), scenario.workload.requests, strict=True)
            if each.prompts is not None and each.prompts.changes is not None
        ]

    def version(self, prompt: int, at_s: float) -> int | None:
        """How often the content behind a prompt has changed from the start of the run until ``at_s``; None: it never does."""
        mean_s = next((mean_s for first, end, mean_s in self.catalogs if first <= prompt < end), None)
        if mean_s is None:
            return None
        node, last = node_below(self.root, prompt), floor(at_s / mean_s)
        return sum(
            0.0 < (cell + uniform_below(node, cell, number)) * mean_s <= at_s
            for cell in range(last + 1)
            for number in range(poisson_of_one(uniform_of(node, cell)))
        )
