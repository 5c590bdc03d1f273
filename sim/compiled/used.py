"""Which stages of the flow a scenario uses. The loop is compiled twice at most: with all of them, and with none, as if they did not exist.

Needs no numba.
"""

from __future__ import annotations

from sim.scenario.model import Scenario


def stages_of(scenario: Scenario) -> dict[str, bool]:
    """Flags of WORLD, by name. ``has_failures``: something may keep a provider's whole answer from a request that was admitted;
    ``has_departures``: clients may leave, and be noticed, before they are answered.
    """
    gateway, client = scenario.gateway, scenario.workload.client
    faulty = any(
        provider.errors or provider.limits.requests or provider.limits.tokens or provider.concurrency is not None
        for provider in scenario.providers.values()
    )
    timed = gateway.timeout.first_token is not None or gateway.timeout.total is not None
    return {
        "has_limits": gateway.limits.per_user is not None or gateway.limits.global_ is not None,
        "has_cpu": gateway.cpu_per_request is not None,
        "has_sessions": gateway.sessions is not None,
        "has_history": scenario.workload.conversations is not None,
        "has_cache": bool(gateway.cache),
        "has_patience": client.patience is not None,
        "has_budget": gateway.retry.budget is not None,
        "has_breakers": gateway.breaker is not None,
        "has_departures": client.timeout is not None and gateway.cancel_on_disconnect,
        "has_failures": faulty or timed or bool(scenario.faults) or gateway.breaker is not None,
    }


def is_bare(scenario: Scenario) -> bool:
    """Does it use none of them?"""
    return not any(stages_of(scenario).values())
