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


INCIDENTS: dict[str, dict[str, Any]] = {
    "openai-api": {
        "every": {"kind": "weibull", "scale": "92h", "shape": 0.65},
        "lasting": {"kind": "lognormal", "median": "71m", "sigma": 1.09},
    },
    "anthropic-api": {
        "every": {"kind": "weibull", "scale": "93h", "shape": 0.67},
        "lasting": {"kind": "lognormal", "median": "45m", "sigma": 1.24},
    },
}
"""``preset:`` of a fault: how often, and for how long, from 542 public incidents of 2021 to 2024. The mean time between starts was 133 h
at OpenAI and 125 h at Anthropic. What an incident does is the fault's own to say; their shares were: elevated errors 50 %, brown-out
20 %, full outage 10 %, 429s 10 %, one model or region 5 %."""


def with_incidents(scenario: Any) -> Any:
    """A scenario as plain data, with what its faults' presets give filled in below what they say themselves."""
    if not isinstance(scenario, dict) or not isinstance(scenario.get("faults"), list):
        return scenario
    return {**scenario, "faults": [struck(fault) for fault in scenario["faults"]]}


def struck(fault: Any) -> Any:
    preset = INCIDENTS.get(fault["preset"]) if isinstance(fault, dict) and isinstance(fault.get("preset"), str) else None
    return fault if preset is None else {**preset, **{field: value for field, value in fault.items() if value is not None}}


def with_presets(scenario: Any) -> Any:
    """A scenario as plain data, with what its models' and faults' presets give filled in below what they say themselves. Unknown presets
    stay."""
    scenario = with_incidents(scenario)
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
