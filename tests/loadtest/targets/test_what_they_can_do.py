"""Every target refuses in words what it cannot do, whatever the scenario; the scenario written for one is refused nothing."""

from __future__ import annotations

import pytest

from loadtest.targets import TARGETS, find_target, install
from loadtest.targets.wanted import WORDS
from sim.gateway.language import Scenario, load
from tests.loadtest.targets.fitting import fitting


@pytest.mark.parametrize("scenario", ["launch", "starter", "demo"])
@pytest.mark.parametrize("name", sorted(install.RECIPES))
def test_a_scenario_of_many_policies_is_refused_in_words(name: str, scenario: str) -> None:
    lines = find_target(name).cannot(load(scenario))
    assert lines
    assert all(line.startswith(("gateway.", "providers")) for line in lines), lines


def test_every_word_of_the_gateway_is_one_that_a_target_can_do_or_refuses() -> None:
    everywhere = {
        "kind",
        "routing",
        "limits",
        "timeout",
        "fallback",
        "fallback_on",
        "ejection",
        "api_keys",
        "cancel_on_disconnect",
    }  # or by their parts
    modelled = {
        "cpu_per_request",
        "cpu_after",
        "cpu_background",
        "cpu_slice",
        "cpu_speed",
        "cpu_yardstick",
        "cpu_crowded",
        "accepts",
        "cpu_per_token",
        "stalls",
        "worker_usd_per_hour",
        "serial_per_request",
        "cores",
        "parallel",
    }  # what a gateway takes, not what it is told
    assert Scenario.model_fields["gateway"].annotation.model_fields.keys() <= WORDS.keys() | everywhere | modelled


@pytest.mark.parametrize("name", sorted(install.RECIPES))
@pytest.mark.parametrize(
    ("word", "override"),
    [
        ("validation", "gateway.validation={malformed: 1%}"),
        ("cache: semantic", "gateway.cache=[{kind: semantic, ttl: 1m}]"),
        ("cache: cdn", "gateway.cache=[{kind: cdn, ttl: 1m}]"),
    ],
)
def test_no_target_checks_input_or_has_caches_of_similar_prompts_or_at_the_edge(name, word, override, tmp_path) -> None:
    lines = find_target(name).cannot(fitting(tmp_path, override))
    assert any(line.startswith(f"gateway.{word}: this gateway does not do that") for line in lines), lines


def test_the_scenario_for_litellm_is_one_that_it_can_do() -> None:
    assert find_target("litellm").cannot(load("scenarios/validation/litellm.yaml")) == []


def test_what_can_be_installed_can_be_measured() -> None:
    assert install.RECIPES.keys() == TARGETS.keys() - {"reference", "url"}
