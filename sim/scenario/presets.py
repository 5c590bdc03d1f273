"""``preset:`` of a provider's model: the latency of a hosted model, from ``scenarios/presets/hosted.yaml``, where its sources stand."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import yaml

from sim.scenario.shipped import shipped_folder

NOT_LATENCY = {"price", "preset"}


@lru_cache(maxsize=1)
def profiles() -> dict[str, dict[str, Any]]:
    """Name -> fields of a provider's model, as a scenario writes them. Empty in an installation that lost its data files."""
    folder = shipped_folder()
    if folder is None:
        return {}
    scenario = yaml.safe_load((folder / "presets" / "hosted.yaml").read_text(encoding="utf-8"))
    return {
        name: {field: value for field, value in model.items() if field not in NOT_LATENCY}
        for provider in scenario["providers"].values()
        for name, model in provider["models"].items()
    }


def known(name: str) -> str:
    """The name of a profile. Raises ValueError for another."""
    if name not in profiles():
        near = get_close_matches(name, profiles(), n=1)
        raise ValueError(f"expected {near[0] if near else ' or '.join(profiles())}")
    return name


def with_presets(scenario: Any) -> Any:
    """A scenario as plain data, with what its models' presets give filled in below what they say themselves. Unknown presets stay."""
    if not isinstance(scenario, dict) or not isinstance(scenario.get("providers"), dict):
        return scenario
    return {**scenario, "providers": {name: with_models(provider) for name, provider in scenario["providers"].items()}}


def with_models(provider: Any) -> Any:
    if not isinstance(provider, dict) or not isinstance(provider.get("models"), dict):
        return provider
    return {**provider, "models": {name: fill(model) for name, model in provider["models"].items()}}


def fill(model: Any) -> Any:
    preset = profiles().get(model["preset"]) if isinstance(model, dict) and isinstance(model.get("preset"), str) else None
    if preset is None:
        return model
    if model.get("latency") is not None:
        preset = {field: value for field, value in preset.items() if field not in ("ttft", "per_token")}
    return {**preset, **{field: value for field, value in model.items() if value is not None}}
