"""Envoy 1.40 as a target: one cluster for each target of the routing, the scenario's policies as its circuit breakers and retry policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loadtest.targets.base import Launch, Place, Program
from loadtest.targets.wanted import (
    Upstream,
    as_the_model_is_called,
    counted,
    one_key_each,
    one_model,
    only_buckets,
    only_openai,
    refused,
    upstreams,
)
from sim.scenario.load import Loaded

CAN = {
    "queue", "timeout.first_token", "timeout.total", "retry", "retry.backoff", "retry.to: same", "workers", "limits.global.requests",
    "routing: round-robin", "routing: weighted", "cancel_on_disconnect: true",
}  # fmt: skip
UNLIMITED = 2**31
SHORTEST_FILL_S = 0.05
"""Envoy refills a token bucket no more often."""
ROUTER = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
FILTER = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
RATE_LIMIT = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"


class Envoy(Program):
    name = "envoy"

    def cannot(self, loaded: Loaded) -> list[str]:
        scenario = loaded.scenario
        gateway, several = scenario.gateway, len(upstreams(scenario)) > 1
        found = [*refused(scenario, CAN), *one_key_each(scenario), *only_openai(scenario), *one_model(scenario)]
        if several and gateway.routing.kind == "round-robin":
            found.append(
                "gateway.routing: each provider has a key of its own, which Envoy gives to a cluster; write weighted: it draws one"
            )
        if gateway.queue is not None and gateway.queue.concurrency != "unlimited":
            if several or gateway.workers > 1:
                found.append(
                    "gateway.queue: Envoy's limits are one of each cluster, its queues one of each worker; name one target, workers: 1"
                )
            if gateway.queue.waiting == 0:
                found.append("gateway.queue.waiting: a request waits in Envoy until a connection is there; write 1 or more")
            if gateway.queue.timeout is not None:
                found.append("gateway.queue.timeout: Envoy has none; write timeout: null, or gateway.timeout.total")
        if gateway.retry.attempts > 1 and gateway.retry.backoff.kind != "full-jitter":
            found.append("gateway.retry.backoff.kind: Envoy's pauses are full-jitter")
        return [*found, *only_buckets(scenario, "Envoy's")]

    def launch(self, program: Path, place: Place, port: int) -> Launch:
        path = place.folder / "envoy.json"
        path.write_text(json.dumps(configuration(place, port), indent=1), encoding="utf-8")
        scenario = place.loaded.scenario
        argv = [str(program), "-c", str(path), "--concurrency", str(scenario.gateway.workers), "--disable-hot-restart", "-l", "warning"]
        return Launch(argv, "/healthy", client=as_the_model_is_called(scenario))


def configuration(place: Place, port: int) -> dict[str, Any]:
    scenario = place.loaded.scenario
    pool = upstreams(scenario)
    manager = {
        "@type": MANAGER,
        "stat_prefix": "clients",
        "stream_idle_timeout": "3600s",
        "http_filters": [*rate_limit(scenario.gateway), {"name": "envoy.filters.http.router", "typed_config": ROUTER}],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "clients",
                    "domains": ["*"],
                    "routes": [
                        {"match": {"path": "/healthy"}, "direct_response": {"status": 200}, "typed_per_filter_config": unlimited(scenario)},
                        {"match": {"prefix": "/"}, "route": route(scenario.gateway, pool)},
                    ],
                }
            ]
        },
    }
    listener = {
        "address": address("127.0.0.1", port),
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster(place, each) for each in pool]}}


def route(gateway: Any, pool: list[Upstream]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "timeout": seconds(gateway.timeout.total or 0.0),  # 0: none; Envoy's own default is 15 s
        "weighted_clusters": {
            "clusters": [
                {
                    "name": each.name,
                    "weight": max(1, round(1000 * each.weight / max(one.weight for one in pool))) if each.weight else 0,
                    "request_headers_to_add": [
                        {
                            "header": {"key": "Authorization", "value": f"Bearer {each.key}"},
                            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                        }
                    ],
                }
                for each in pool
            ]
        },
    }
    retry: dict[str, Any] = {"num_retries": gateway.retry.attempts - 1}
    if gateway.timeout.first_token is not None:
        retry["per_try_idle_timeout"] = seconds(gateway.timeout.first_token)
    if gateway.retry.attempts > 1:
        backoff = {"base_interval": seconds(gateway.retry.backoff.base), "max_interval": seconds(gateway.retry.backoff.cap)}
        retry |= {"retry_on": "5xx,reset,connect-failure,retriable-status-codes", "retriable_status_codes": [408, 409, 429]}
        retry["retry_back_off"] = backoff
        if gateway.retry.honor_retry_after:
            reset = [{"name": "retry-after", "format": "SECONDS"}]
            retry["rate_limited_retry_back_off"] = {"reset_headers": reset, "max_interval": "300s"}
    return found | ({"retry_policy": retry} if len(retry) > 1 else {})


def cluster(place: Place, each: Upstream) -> dict[str, Any]:
    """HTTP/1.1: a connection carries one call, so calls in service are connections, and those that wait for one are pending."""
    queue = place.loaded.scenario.gateway.queue
    host, _, port = place.address(each.provider).rpartition(":")
    endpoint = {"endpoint": {"address": address(host, int(port))}}
    return {
        "name": each.name,
        "connect_timeout": "5s",
        "type": "STATIC",
        "load_assignment": {"cluster_name": each.name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": UNLIMITED if queue is None else counted(queue.concurrency, UNLIMITED),
                    "max_pending_requests": UNLIMITED if queue is None else counted(queue.waiting, UNLIMITED),
                    "max_requests": UNLIMITED,
                    "max_retries": UNLIMITED,  # at once; Envoy's own default is 3
                }
            ]
        },
    }


def rate_limit(gateway: Any) -> list[dict[str, Any]]:
    limit = gateway.limits.global_
    if limit is None or limit.requests is None:
        return []
    rate = limit.requests
    per_fill = max(1, round(rate.rps * SHORTEST_FILL_S))
    everybody = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    config = {
        "@type": RATE_LIMIT,
        "stat_prefix": "limit",
        "token_bucket": {
            "max_tokens": max(1, int(rate.count)),
            "tokens_per_fill": per_fill,
            "fill_interval": seconds(per_fill / rate.rps),
        },
        "filter_enabled": everybody,
        "filter_enforced": everybody,
    }
    return [{"name": "envoy.filters.http.local_ratelimit", "typed_config": config}]


def unlimited(scenario: Any) -> dict[str, Any]:
    """The health check takes no tokens."""
    if not rate_limit(scenario.gateway):
        return {}
    return {"envoy.filters.http.local_ratelimit": {"@type": FILTER, "disabled": True, "config": {}}}


def address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def seconds(value: float) -> str:
    return f"{value:.6f}s"


TARGET = Envoy()
