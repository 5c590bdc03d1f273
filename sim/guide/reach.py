"""Where the calls of each request class can go."""

from __future__ import annotations

from typing import Any

from sim.gateway.stages.route import DEFAULT
from sim.scenario.targets import target_names


def targets_of(scenario: Any, request_class: Any) -> list[str]:
    """The targets, provider/model, that calls of a class may be sent to, in the order of the routing."""
    routing = scenario.gateway.routing
    if routing.kind == "capability":
        return list(routing.capabilities[request_class.needs or DEFAULT])
    if routing.kind == "weighted":
        return [target for target, weight in routing.weights.items() if weight > 0]
    return list(routing.models)


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
