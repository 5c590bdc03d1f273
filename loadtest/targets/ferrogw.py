"""Ferro Labs' AI gateway 1.5 as a target. It knows providers by name: each of the scenario's takes the place of one of its dialect."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from loadtest.gateway.upstream import keys_of
from loadtest.targets.base import ClientSide, Launch, Place, Program, environment_without
from loadtest.targets.wanted import (
    Upstream,
    asked_pools,
    number,
    one_key_each,
    one_model,
    only_buckets,
    only_openai,
    refused,
    upstreams,
    waits_for_ever,
)
from sim.gateway.stages.route import pools_of
from sim.scenario.load import Loaded

CAN = {
    "queue", "retry", "retry.backoff", "retry.to: same", "timeout.total", "limits.global.requests", "fallback: next-provider",
    "cancel_on_disconnect: true", "routing: round-robin", "routing: weighted", "routing: capability", "ejection: ferrogw",
}  # fmt: skip
PLACES = {
    "openai": ("openai", "groq", "deepseek", "mistral", "together", "fireworks", "novita", "moonshot"),
    "anthropic": ("anthropic",),
}
"""Providers that it knows, by dialect."""


class FerroGW(Program):
    name = "ferrogw"

    def cannot(self, loaded: Loaded) -> list[str]:
        scenario = loaded.scenario
        gateway, pools = scenario.gateway, pools_of(scenario)
        several = any(len(pool) > 1 for pool in pools.values())
        found = [*refused(scenario, CAN), *one_key_each(scenario), *only_openai(scenario, tuple(PLACES)), *one_model(scenario)]
        for dialect, places in PLACES.items():
            if sum(each.dialect == dialect for each in scenario.providers.values()) > len(places):
                found.append(f"providers: ferrogw has {len(places)} that speak {dialect}; write fewer")
        if gateway.routing.kind == "round-robin" and several:
            found.append("gateway.routing: ferrogw takes no turns; write weighted, or capability with fallback: [next-provider]")
        if gateway.routing.kind == "capability" and (len(pools) > 1 or len({each.model for each in upstreams(scenario)}) > 1):
            found.append("gateway.routing: ferrogw's targets have one order for all; name one capability, whose targets have one model")
        if several and "next-provider" not in gateway.fallback:
            found.append("gateway.fallback: ferrogw goes on to the next target, in an order and after one that it has drawn; write "
                         "fallback: [next-provider]")  # fmt: skip
        if gateway.timeout.total is not None and scenario.workload.client.stream:
            found.append("gateway.timeout.total: ferrogw exempts streams; let the client leave: workload.client.timeout")
        backoff, attempts = gateway.retry.backoff, gateway.retry.attempts
        if attempts > 1 and (backoff.kind != "full-jitter" or backoff.base * 2 ** (attempts - 2) > backoff.cap):
            found.append("gateway.retry.backoff: ferrogw's pauses are full-jitter without a cap; write one that they stay below")
        queue = gateway.queue
        if queue is not None and several:
            found.append("gateway.queue: ferrogw's is one of each target; name one target in routing")
        return [*found, *waits_for_ever(scenario, "ferrogw's"), *only_buckets(scenario, "ferrogw's")]

    def launch(self, program: Path, place: Place, port: int) -> Launch:
        path, scenario = place.folder / "ferrogw.yaml", place.loaded.scenario
        path.write_text(yaml.safe_dump(configuration(scenario), sort_keys=False), encoding="utf-8")
        env = environment_without(*(f"{name.upper()}_" for names in PLACES.values() for name in names))
        for provider, name in places(scenario).items():
            env |= {f"{name.upper()}_BASE_URL": f"{place.upstreams[provider]}/v1", f"{name.upper()}_API_KEY": keys_of(provider, 1)[0]}
        env |= {
            "GATEWAY_CONFIG": str(path), "PORT": str(port), "HOST": "127.0.0.1", "ALLOW_UNAUTHENTICATED_PROXY": "true",
            "RATE_LIMIT_RPS": "0",  # its own default limits every address
            "LOG_LEVEL": "error", "GOMAXPROCS": str(scenario.gateway.workers),
        }  # fmt: skip
        model = upstreams(scenario)[0].model
        outcomes = {} if scenario.gateway.queue is None else {429: "rejected"}  # of its queue, where others say 503
        return Launch(
            [str(program), "serve"], "/health", env, ClientSide(models=dict.fromkeys(asked_pools(scenario), model), outcomes=outcomes)
        )


def places(scenario: Any) -> dict[str, str]:
    """ferrogw's name for each provider."""
    free = {dialect: iter(names) for dialect, names in PLACES.items()}
    return {name: next(free[provider.dialect]) for name, provider in scenario.providers.items()}


def configuration(scenario: Any) -> dict[str, Any]:
    gateway, pool = scenario.gateway, upstreams(scenario)
    mode = "single" if len(pool) == 1 else "loadbalance" if gateway.routing.kind == "weighted" else "fallback"
    names = places(scenario)
    found: dict[str, Any] = {"strategy": {"mode": mode}, "targets": [target(gateway, each, names[each.provider]) for each in pool]}
    if gateway.timeout.total is not None:
        found["request_timeout"] = f"{gateway.timeout.total:.6f}s"
    if gateway.limits.global_ is not None and gateway.limits.global_.requests is not None:
        rate = gateway.limits.global_.requests
        limit = {"requests_per_second": rate.rps, "burst": rate.count}
        found["plugins"] = [{"name": "rate-limit", "type": "ratelimit", "stage": "before_request", "enabled": True, "config": limit}]
    return found


def target(gateway: Any, each: Upstream, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"virtual_key": name, "weight": each.weight, "models": [each.model]}
    if gateway.retry.attempts > 1:
        found["retry"] = {"attempts": gateway.retry.attempts, "initial_backoff_ms": max(1, round(gateway.retry.backoff.base * 1e3))}
    if gateway.ejection is not None:
        found["circuit_breaker"] = breaker(gateway.ejection)
    if gateway.queue is not None and isfinite(number(gateway.queue.concurrency)):
        found["concurrency"] = {
            "max_concurrency": gateway.queue.concurrency,
            "queue_size": int(min(number(gateway.queue.waiting), MOST_WAITING)),
        }
    return found


def breaker(ejection: Any) -> dict[str, Any]:
    return {**ejection.model_dump(exclude={"kind", "timeout"}), "timeout": f"{ejection.timeout:.6f}s"}


MOST_WAITING = 10_000  # the most that it accepts

TARGET = FerroGW()
