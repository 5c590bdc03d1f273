"""Every target refuses in words what it cannot do, whatever the scenario; the scenario written for one is refused nothing."""

from __future__ import annotations

import pytest

from loadtest.targets import TARGETS, find_target, install
from sim.gateway.language import load


@pytest.mark.parametrize("scenario", ["launch", "starter", "demo"])
@pytest.mark.parametrize("name", sorted(install.RECIPES))
def test_a_scenario_of_many_policies_is_refused_in_words(name: str, scenario: str) -> None:
    lines = find_target(name).cannot(load(scenario))
    assert lines
    assert all(line.startswith(("gateway.", "providers")) for line in lines), lines


def test_the_scenario_for_litellm_is_one_that_it_can_do() -> None:
    assert find_target("litellm").cannot(load("scenarios/validation/litellm.yaml")) == []


def test_what_can_be_installed_can_be_measured() -> None:
    assert install.RECIPES.keys() == TARGETS.keys() - {"reference", "url"}
