"""LiteLLM's proxy 1.108 as a target: a model group for each pool of the routing, a deployment for each target.

What no word of a scenario asks for is switched off: the cool-down of deployments, and the fetch of a price list.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import yaml

from loadtest.targets.base import ClientSide, Launch, Place, Program, environment_without
from loadtest.targets.wanted import Upstream, asked_pools, number, one_key_each, only_openai, refused, upstreams
from sim.gateway.stages.freshness import caches_of
from sim.gateway.stages.route import pools_of
from sim.scenario.load import Loaded

CAN = {
    "cache", "queue", "retry", "retry.backoff", "retry.to: same", "retry.to: any", "workers", "fallback: next-provider",
    "timeout.first_token", "timeout.attempt", "timeout.total",
    "cancel_on_disconnect: true", "cancel_on_disconnect: false", "routing: round-robin",
    "routing: least-busy", "routing: weighted", "routing: capability", "ejection: litellm",
}  # fmt: skip
STRATEGY = {"least-busy": "least-busy"}  # the others: simple-shuffle, a random deployment by weight
ITEMS = 200
"""Answers that its cache in memory holds; more cannot be set."""
PAUSE = {"kind": "exponential", "base": 0.5, "cap": 8.0}
"""Before a retry on a lone deployment, and up to 0.75 s more at random; none where the group has another healthy one."""


class LiteLLM(Program):
    name = "litellm"
    start_s = 120.0  # imports for 10 s and more on an idle machine

    def cannot(self, loaded: Loaded) -> list[str]:
        scenario = loaded.scenario
        found = [*refused(scenario, CAN), *one_key_each(scenario), *only_openai(scenario, ("openai", "anthropic"))]
        return [*found, *routing(scenario), *retries(scenario), *timeouts(scenario), *queue(scenario), *cache(scenario)]

    def launch(self, program: Path, place: Place, port: int) -> Launch:
        scenario = place.loaded.scenario
        path, key = place.folder / "litellm.yaml", f"sk-{secrets.token_hex(24)}"
        path.write_text(yaml.safe_dump(configuration(place), sort_keys=False), encoding="utf-8")
        argv = [str(program), "--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
        return Launch(
            [*argv, "--num_workers", str(scenario.gateway.workers)],
            "/health/liveliness",
            {
                **environment_without("LITELLM_", "OPENAI_", "ANTHROPIC_", "DATABASE_URL", "REDIS_"),
                "LITELLM_MASTER_KEY": key,
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_LOG": "ERROR",
                **thresholds(scenario.gateway.ejection),
            },
            ClientSide(key=key),
        )


def routing(scenario: Any) -> list[str]:
    kind, pools = scenario.gateway.routing.kind, pools_of(scenario)
    several = any(len(pool) > 1 for pool in pools.values())
    found = []
    if kind == "round-robin" and several:
        found.append("gateway.routing: LiteLLM takes no turns among deployments; write weighted with equal weights, or least-busy")
    if kind != "capability" and several and "next-provider" in scenario.gateway.fallback:
        found.append(
            f"gateway.fallback: in a group routed by {kind} LiteLLM retries where it likes; write routing: capability, whose targets have "
            "an order, or leave next-provider out"
        )
    if kind == "capability" and several and "next-provider" not in scenario.gateway.fallback:
        found.append("gateway.routing: several targets of a capability are of use with fallback: [next-provider] only")
    return found


def retries(scenario: Any) -> list[str]:
    retry, found = scenario.gateway.retry, []
    if retry.attempts == 1:
        return []
    lone = all(len(pool) == 1 for pool in pools_of(scenario).values()) or scenario.gateway.routing.kind == "capability"
    if lone and {"kind": retry.backoff.kind, "base": retry.backoff.base, "cap": retry.backoff.cap} != PAUSE:
        found.append("gateway.retry.backoff: LiteLLM's own pauses are {kind: exponential, base: 500ms, cap: 8s} (and up to 0.75 s more)")
    if not lone and (retry.backoff.kind != "none" or retry.to != "any"):
        found.append("gateway.retry: with several deployments LiteLLM retries at once, on any; write {to: any, backoff: none}")
    return found


def timeouts(scenario: Any) -> list[str]:
    timeout, streams = scenario.gateway.timeout, scenario.workload.client.stream
    found = []
    for name in ("attempt", "total"):
        if streams and getattr(timeout, name) is not None:
            found.append(f"gateway.timeout.{name}: of a stream LiteLLM limits the silence alone; write timeout.first_token")
    if not streams and timeout.first_token is not None:
        found.append("gateway.timeout.first_token: of whole answers LiteLLM limits the time of an attempt; write timeout.attempt")
    if timeout.total is not None and (scenario.gateway.retry.attempts > 1 or "next-provider" in scenario.gateway.fallback):
        found.append("gateway.timeout.total: LiteLLM's is one of each attempt; write timeout.attempt")
    return found


def queue(scenario: Any) -> list[str]:
    queue = scenario.gateway.queue
    if queue is None or queue.concurrency == "unlimited":
        return []
    found = []
    if queue.waiting != 0:
        found.append(
            "gateway.queue.waiting: nobody waits for max_parallel_requests of a deployment, LiteLLM refuses (429); write waiting: 0"
        )
    if any(len(pool) > 1 for pool in pools_of(scenario).values()) or len(pools_of(scenario)) > 1:
        found.append("gateway.queue: max_parallel_requests is one of each deployment, not of all; name one target in routing")
    return found


def cache(scenario: Any) -> list[str]:
    caches = caches_of(scenario, "exact")
    found = [
        f"gateway.cache: LiteLLM's in memory is {{capacity: {ITEMS}, single_flight: false, sliding: false}} for all classes"
        for each in caches
        if each.capacity != ITEMS or each.single_flight or each.sliding or each.classes
    ]
    return found + (["gateway.cache: LiteLLM has one"] if len(caches) > 1 else [])


def configuration(place: Place) -> dict[str, Any]:
    scenario = place.loaded.scenario
    gateway = scenario.gateway
    models, fallbacks = [], []
    for asked, pool in asked_pools(scenario).items():
        targets = upstreams(scenario, pool)
        if gateway.routing.kind == "capability":
            groups = [asked, *(f"{asked}-after-{place_in_order}" for place_in_order in range(1, len(targets)))]
            models += [deployment(place, group, each) for group, each in zip(groups, targets, strict=True)]
            if len(groups) > 1:
                fallbacks.append({asked: groups[1:]})
        else:
            models += [deployment(place, asked, each) for each in targets]
    litellm: dict[str, Any] = {"drop_params": True, "set_verbose": False}
    if gateway.cache:
        litellm |= {"cache": True, "cache_params": {"type": "local", "ttl": gateway.cache[0].ttl, "mode": "default_on"}}
    return {
        "model_list": models,
        "litellm_settings": litellm,
        "router_settings": {
            "routing_strategy": STRATEGY.get(gateway.routing.kind, "simple-shuffle"),
            "num_retries": gateway.retry.attempts - 1,
            **cool_down(gateway.ejection),
            **({"fallbacks": fallbacks} if fallbacks else {}),
        },
        "general_settings": {"cancel_on_disconnect": gateway.cancel_on_disconnect},
    }


def cool_down(ejection: Any) -> dict[str, Any]:
    if ejection is None:
        return {"disable_cooldowns": True}
    allowed = {} if ejection.allowed_fails is None else {"allowed_fails": ejection.allowed_fails}
    return {"cooldown_time": ejection.cooldown_time, **allowed}


def thresholds(ejection: Any) -> dict[str, str]:
    """What LiteLLM reads from the environment alone."""
    if ejection is None:
        return {}
    return {
        "DEFAULT_FAILURE_THRESHOLD_PERCENT": str(ejection.failure_threshold_percent),
        "DEFAULT_FAILURE_THRESHOLD_MINIMUM_REQUESTS": str(ejection.minimum_requests),
    }


def deployment(place: Place, group: str, each: Upstream) -> dict[str, Any]:
    scenario = place.loaded.scenario
    gateway, dialect = scenario.gateway, scenario.providers[each.provider].dialect
    base = place.upstreams[each.provider]
    parameters: dict[str, Any] = {
        "model": f"{dialect}/{each.model}",
        "api_base": f"{base}/v1" if dialect == "openai" else base,
        "api_key": each.key,
        "weight": each.weight,
    }
    if (limit_s := gateway.timeout.attempt or gateway.timeout.total) is not None:
        parameters["timeout"] = limit_s
    if gateway.timeout.first_token is not None:
        parameters["stream_timeout"] = gateway.timeout.first_token
    if gateway.queue is not None and number(gateway.queue.concurrency) < float("inf"):
        parameters["max_parallel_requests"] = gateway.queue.concurrency
    return {"model_name": group, "litellm_params": parameters}


TARGET = LiteLLM()
