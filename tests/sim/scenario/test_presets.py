"""``preset:`` gives a model the latency of a hosted one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.gateway.language import load
from sim.scenario.errors import ScenarioError
from sim.scenario.presets import profiles

SCENARIO = """
tenfold: 1
name: preset
workload:
  arrivals: {kind: poisson, rate: 1/s}
  duration: 1m
  requests: [{name: r, tokens: {input: {kind: constant, value: 4}, output: {kind: constant, value: 100}}}]
gateway: {routing: {kind: round-robin, models: [openai/mine]}}
providers: {openai: {models: {mine: MODEL}}}
"""


def model_of(tmp_path: Path, text: str):
    path = tmp_path / "preset.yaml"
    path.write_text(SCENARIO.replace("MODEL", text))
    return load(path)


def test_a_preset_gives_the_latency_and_own_fields_win(tmp_path: Path) -> None:
    loaded = model_of(tmp_path, "{preset: claude-opus-4.5, ttft_per_1k: 1ms, price: {input: 1, output: 1}}")
    model = loaded.scenario.providers["openai"].models["mine"]
    assert (model.ttft.median, model.ttft.sigma, model.per_token.median) == (2.05, 0.32, 0.0175)
    assert (model.ttft_per_1k, model.ttft_per_1k_cached) == (0.001, 0.0031)
    assert model.price.input == 1


def test_the_resolved_scenario_loads_back_the_same(tmp_path: Path) -> None:
    loaded = model_of(tmp_path, "{preset: coldstart-serverless, price: {input: 1, output: 1}}")
    again = tmp_path / "again.yaml"
    again.write_text(loaded.yaml_text)
    assert load(again).sha256 == loaded.sha256


def test_a_latency_of_its_own_replaces_the_presets_first_and_per_token_times(tmp_path: Path) -> None:
    model = model_of(tmp_path, "{preset: gpt-4o-mini, latency: {kind: constant, value: 1s}}").scenario.providers["openai"].models["mine"]
    assert (model.ttft, model.per_token) == (None, None)


def test_an_unknown_preset_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"expected gpt-4o-mini, found 'gpt-4o-mimi'"):
        model_of(tmp_path, "{preset: gpt-4o-mimi}")


def test_every_profile_says_how_long_it_takes() -> None:
    assert len(profiles()) == 9
    assert all({"ttft", "per_token"} <= set(profile) and "price" not in profile for profile in profiles().values())
