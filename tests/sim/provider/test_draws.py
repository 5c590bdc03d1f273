"""What an attempt draws hangs on its prompt alone, however the prompts are asked for."""

from __future__ import annotations

import pytest

from sim.gateway.language import load
from sim.provider import draws
from sim.provider.draws import ModelDraws


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_a_prompt_of_a_large_catalog_draws_what_it_draws_in_a_block(monkeypatch: pytest.MonkeyPatch, correlation: float) -> None:
    loaded = load("demo", [f"providers.openai.models.gpt-4o-mini.correlation={correlation}"])
    model = loaded.scenario.providers["openai"].models["gpt-4o-mini"]
    in_blocks = ModelDraws(3, "openai", model, None)
    prompts = [0, 5, 2_000_000, 70_000, 10**9, 3]
    expected = [(in_blocks.draw(prompt, 0), in_blocks.error(prompt, 0)) for prompt in prompts]
    monkeypatch.setattr(draws, "KEPT_BLOCKS", 1)
    alone = ModelDraws(3, "openai", model, None)
    assert [(alone.draw(prompt, 0), alone.error(prompt, 0)) for prompt in prompts] == expected
    assert len(alone.first_visits) == 1
