"""The targets of a scenario, provider/model, in its order: what ``target`` columns index."""

from __future__ import annotations

from typing import Any


def target_names(scenario: Any) -> tuple[str, ...]:
    return tuple(f"{provider}/{model}" for provider, config in scenario.providers.items() for model in config.models)
