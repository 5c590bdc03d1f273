"""Where the calls of each request class can go."""

from __future__ import annotations

from typing import Any

from sim.gateway.stages.route import pool_of, pools_of
from sim.scenario.targets import target_names


def targets_of(scenario: Any, request_class: Any) -> list[str]:
    """The targets, provider/model, that calls of a class may be sent to, in the order of the routing."""
    pool = list(pools_of(scenario).values())[pool_of(scenario, request_class.needs)]
    weights = getattr(scenario.gateway.routing, "weights", {})
    return [target for target in pool if weights.get(target, 1.0) > 0]


def model_of(scenario: Any, target: str) -> Any:
    """What the scenario says of a target's model."""
    provider, _, model = target.partition("/")
    return scenario.providers[provider].models[model]


def provider_of(target: str) -> str:
    return target.partition("/")[0]


def used_targets(scenario: Any) -> list[str]:
    """Those that some class is sent to, in the scenario's order."""
    reached = {target for each in scenario.workload.requests for target in targets_of(scenario, each)}
    return [target for target in target_names(scenario) if target in reached]


def used_providers(scenario: Any) -> list[str]:
    return list(dict.fromkeys(map(provider_of, used_targets(scenario))))


def dependent_share(scenario: Any, provider: str) -> float:
    """The share of calls, before any cache, whose every target is at that provider."""
    return sum(
        each.share for each in scenario.workload.requests if {provider_of(target) for target in targets_of(scenario, each)} == {provider}
    )
