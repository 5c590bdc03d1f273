"""What the model draws for a request by its number, drawn for the real request of that number: how patient its client is, how long its
session is looked up. Not what takes a real gateway its own time (the stages' MODEL_ONLY).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.gateway import chain
from sim.stochastics.distributions import quantile
from sim.stochastics.random_streams import uniforms

BLOCK_BITS = 8  # requests are drawn for in blocks, for numbers mostly come in order
KEPT_BLOCKS = 64


class LiveDraws:
    def __init__(self, scenario: Any, seed: int) -> None:
        self.seed = seed
        not_here = {name for stage in chain.STAGES for name in getattr(stage, "MODEL_ONLY", ())}
        laws = {name: (purpose, law(scenario)) for name, (purpose, law) in chain.declared("DRAWS").items() if name not in not_here}
        self.laws = {name: (purpose, law) for name, (purpose, law) in laws.items() if law is not None}
        self.blocks: dict[int, dict[str, list[float]]] = {}

    def of(self, number: int) -> dict[str, float]:
        """Fields of the request, by name."""
        if not self.laws:
            return {}
        block = self.blocks.get(number >> BLOCK_BITS)
        if block is None:
            block = self._draw(number >> BLOCK_BITS)
        place = number & ((1 << BLOCK_BITS) - 1)
        return {name: values[place] for name, values in block.items()}

    def _draw(self, number: int) -> dict[str, list[float]]:
        numbers = (number << BLOCK_BITS) + np.arange(1 << BLOCK_BITS)
        block = {name: quantile(law, uniforms(self.seed, purpose, numbers)).tolist() for name, (purpose, law) in self.laws.items()}
        if len(self.blocks) >= KEPT_BLOCKS:
            del self.blocks[next(iter(self.blocks))]
        self.blocks[number] = block
        return block
