"""Envoy 1.40 as a target: a cluster of the routing's targets, the scenario's policies as its circuit breakers, retry policy and outlier
detection.

A header for each provider needs a cluster for each. Where calls are drawn by weight, the route chooses one. Where targets take turns, they
are one cluster, in which Envoy retries and ejects, and whose endpoints are listeners of its own that lead to the providers' clusters.
"""

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
    "retry.to: next", "routing: round-robin", "routing: weighted", "cancel_on_disconnect: true", "ejection: envoy",
}  # fmt: skip
UNLIMITED = 2**31
SHORTEST_FILL_S = 0.05
"""Envoy refills a token bucket no more often."""
ROUTER = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
ALL = "providers"
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
FILTER = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
RATE_LIMIT = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"


class Envoy(Program):
    name = "envoy"

    def cannot(self, loaded: Loaded) -> list[str]:
        scenario = loaded.scenario
        gateway, several = scenario.gateway, len(upstreams(scenario)) > 1
        found = [*refused(scenario, CAN), *one_key_each(scenario), *only_openai(scenario), *one_model(scenario)]
        in_turn = several and gateway.routing.kind == "round-robin"
        if gateway.retry.attempts > 1 and (gateway.retry.to == "next") != in_turn:
            found.append("gateway.retry.to: Envoy retries on the next of targets that take turns, else on the same; write next with "
                         "several targets and round-robin, same otherwise")  # fmt: skip
        if gateway.ejection is not None and several and not in_turn:
            found.append("gateway.ejection: Envoy ejects among the targets of a cluster; write routing: round-robin")
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
    gateway, pool = scenario.gateway, upstreams(scenario)
    healthy = {"match": {"path": "/healthy"}, "direct_response": {"status": 200}, "typed_per_filter_config": unlimited(scenario)}
    in_turn = len(pool) > 1 and gateway.routing.kind == "round-robin"
    calls = {"match": {"prefix": "/"}, "route": route(gateway, pool, in_turn)}
    listeners = [listener("clients", address("127.0.0.1", port), [healthy, calls], rate_limit(gateway))]
    clusters = [cluster(each.name, [address_of(place, each)], None if in_turn else gateway) for each in pool]
    if in_turn:
        sockets = [{"pipe": {"path": f"@tenfold-{port}-{each.name}"}} for each in pool]
        clusters.append(cluster(ALL, sockets, gateway))
        for each, socket in zip(pool, sockets, strict=True):
            relayed = {"match": {"prefix": "/"}, "route": {"cluster": each.name, "timeout": "0s"}, "request_headers_to_add": [key(each)]}
            listeners.append(listener(each.name, socket, [relayed]))
    return {"static_resources": {"listeners": listeners, "clusters": clusters}}


def listener(name: str, where: dict[str, Any], routes: list[dict[str, Any]], filters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    manager = {
        "@type": MANAGER,
        "stat_prefix": name,
        "stream_idle_timeout": "3600s",
        "http_filters": [*(filters or []), {"name": "envoy.filters.http.router", "typed_config": ROUTER}],
        "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": routes}]},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": name, "address": where, "filter_chains": [chain]}


def key(each: Upstream) -> dict[str, Any]:
    return {"header": {"key": "Authorization", "value": f"Bearer {each.key}"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def route(gateway: Any, pool: list[Upstream], in_turn: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"timeout": seconds(gateway.timeout.total or 0.0)}  # 0: none; Envoy's own default is 15 s
    if in_turn:
        found["cluster"] = ALL
    else:
        found["weighted_clusters"] = {
            "clusters": [
                {
                    "name": each.name,
                    "weight": max(1, round(1000 * each.weight / max(one.weight for one in pool))) if each.weight else 0,
                    "request_headers_to_add": [key(each)],
                }
                for each in pool
            ]
        }
    retry: dict[str, Any] = {"num_retries": gateway.retry.attempts - 1}
    if gateway.timeout.first_token is not None:
        retry["per_try_idle_timeout"] = seconds(gateway.timeout.first_token)
    if gateway.retry.attempts > 1 and in_turn:
        predicate = {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}
        retry["retry_host_predicate"] = [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": predicate}]
        retry["host_selection_retry_max_attempts"] = len(pool)
    if gateway.retry.attempts > 1:
        backoff = {"base_interval": seconds(gateway.retry.backoff.base), "max_interval": seconds(gateway.retry.backoff.cap)}
        retry |= {"retry_on": "5xx,reset,connect-failure,retriable-status-codes", "retriable_status_codes": [408, 409, 429]}
        retry["retry_back_off"] = backoff
        if gateway.retry.honor_retry_after:
            reset = [{"name": "retry-after", "format": "SECONDS"}]
            retry["rate_limited_retry_back_off"] = {"reset_headers": reset, "max_interval": "300s"}
    return found | ({"retry_policy": retry} if len(retry) > 1 else {})


def cluster(name: str, places: list[dict[str, Any]], gateway: Any) -> dict[str, Any]:
    """HTTP/1.1: a connection carries one call, so calls in service are connections, and those that wait for one are pending. Without a
    ``gateway``: no policies.
    """
    queue, ejection = (None, None) if gateway is None else (gateway.queue, gateway.ejection)
    endpoints = [{"endpoint": {"address": where}} for where in places]
    return {
        "name": name,
        "connect_timeout": "5s",
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        **({} if ejection is None else outliers(ejection)),
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


def outliers(ejection: Any) -> dict[str, Any]:
    """Consecutive 5xx alone: Envoy's other detectors are switched off."""
    return {
        "common_lb_config": {
            "healthy_panic_threshold": {"value": 100 * ejection.panic_threshold},
            "update_merge_window": seconds(ejection.update_merge_window),
        },
        "outlier_detection": {
            "consecutive_5xx": ejection.consecutive_5xx,
            "interval": seconds(ejection.interval),
            "base_ejection_time": seconds(ejection.base_ejection_time),
            "max_ejection_time": seconds(ejection.max_ejection_time),
            "max_ejection_percent": round(100 * ejection.max_ejection_percent),
            "enforcing_success_rate": 0,
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


def address_of(place: Place, each: Upstream) -> dict[str, Any]:
    host, _, port = place.address(each.provider).rpartition(":")
    return address(host, int(port))


def address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def seconds(value: float) -> str:
    return f"{value:.6f}s"


TARGET = Envoy()
