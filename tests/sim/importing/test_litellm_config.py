"""A LiteLLM configuration without a log: who gets which calls, at whose price and pace, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sim.importing.assemble import draft
from sim.importing.litellm_config import Config, read_config
from sim.importing.providers import nearest_profile
from sim.importing.skipped import Skipped


def deployment(group: str, model: str, base: str = "", **params: Any) -> dict[str, Any]:
    info = {"model_info": {"base_model": base}} if base else {}
    return {"model_name": group, "litellm_params": {"model": model, **params}, **info}


def config_of(folder: Path, *deployments: dict[str, Any], **sections: Any) -> Config:
    place = folder / "config.yaml"
    place.write_text(yaml.safe_dump({"model_list": list(deployments), **sections}))
    return read_config(place)


def drafted(config: Config) -> dict[str, Any]:
    return draft(None, config, "mine", Skipped(), "").data


def shares(config: Config) -> dict[str, float]:
    """Of all calls, by the target that is asked first."""
    data = drafted(config)
    routing, found = data["gateway"]["routing"], dict[str, float]()
    for each in data["workload"]["requests"]:
        first = routing[each["needs"]][0]
        found[first] = found.get(first, 0.0) + each["share"]
    return found


SMALL, LARGE = ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"), "gemini/gemini-2.0-flash"


@pytest.mark.parametrize(
    ("strategy", "params", "expected"),
    [
        ("simple-shuffle", ({"weight": 3}, {"weight": 1}), (0.375, 0.125)),
        ("simple-shuffle", ({"rpm": 400}, {"rpm": 100}), (0.4, 0.1)),
        ("simple-shuffle", ({"rpm": 400}, {"weight": 1}), (0.0, 0.5)),
        ("least-busy", ({"rpm": 400}, {}), (0.25, 0.25)),
        ("usage-based-routing-v2", ({"tpm": 400}, {}), (0.25, 0.25)),
        ("cost-based-routing", ({}, {}), (0.5, 0.0)),
    ],
)
def test_beside_other_groups_a_strategy_becomes_shares_of_its_deployments(
    tmp_path: Path, strategy: str, params: tuple[dict[str, Any], ...], expected: tuple[float, ...]
) -> None:
    small = [deployment("small", model, **own) for model, own in zip(SMALL, params, strict=True)]
    config = config_of(tmp_path, *small, deployment("large", LARGE), router_settings={"routing_strategy": strategy})
    found = shares(config)
    assert tuple(found.get(model, 0.0) for model in SMALL) == pytest.approx(expected)
    assert found[LARGE] == pytest.approx(0.5)
    assert f"router_settings.routing_strategy: {strategy}" in dict(config.unmodelled)


def test_a_strategy_that_is_said_whole_is_not_among_what_is_not_modelled(tmp_path: Path) -> None:
    alone = config_of(tmp_path, *(deployment("small", model) for model in SMALL), router_settings={"routing_strategy": "least-busy"})
    assert drafted(alone)["gateway"]["routing"]["kind"] == "least-busy"
    assert alone.unmodelled == []


def test_a_group_that_only_fallbacks_name_gets_no_traffic_of_its_own(tmp_path: Path) -> None:
    config = config_of(
        tmp_path, deployment("small", SMALL[0]), deployment("spare", SMALL[1]), litellm_settings={"fallbacks": [{"small": ["spare"]}]}
    )
    data = drafted(config)
    assert [(each["name"], each["share"]) for each in data["workload"]["requests"]] == [("small", 1.0)]
    assert data["gateway"]["routing"]["small"] == list(SMALL)


def test_a_base_model_gives_the_price_and_the_pace_of_a_name_of_ones_own(tmp_path: Path) -> None:
    config = config_of(tmp_path, deployment("small", "azure/our-own-name", base="azure/gpt-4o-mini"))
    model = drafted(config)["providers"]["azure"]["models"]["our-own-name"]
    assert model == {"preset": "gpt-4o-mini", "price": {"input": 0.15, "output": 0.6}}


def test_limits_of_single_models_keep_their_vendors_list_price(tmp_path: Path) -> None:
    config = config_of(tmp_path, *(deployment("all", f"anthropic/{name}", rpm=50) for name in ("claude-haiku-4-5", "claude-sonnet-4")))
    assert all("price" not in model for each in drafted(config)["providers"].values() for model in each["models"].values())


@pytest.mark.parametrize(
    ("model", "profile"),
    [
        ("claude-haiku-4-5-20251001", "claude-haiku-4.5"),
        ("us.anthropic.claude-3-5-haiku-v1", "claude-haiku-4.5"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gemini-2.5-flash", "gemini-2.0-flash"),
        ("a-model-of-ours", "gpt-4o-mini"),
    ],
)
def test_the_profile_that_stands_in_is_the_nearest_by_name(model: str, profile: str) -> None:
    assert nearest_profile(model) == profile
