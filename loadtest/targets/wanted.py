"""What a scenario wants of a gateway, as a table of words that a target can do or must refuse by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, isfinite
from typing import Any, NamedTuple

from loadtest.gateway.upstream import keys_of
from loadtest.generator.request_bodies import DEFAULT_MODEL
from loadtest.targets.base import ClientSide
from sim.gateway.stages.ejection import KINDS as EJECTIONS
from sim.gateway.stages.redis import in_redis
from sim.gateway.stages.route import pool_of, pools_of


class Word(NamedTuple):
    """``used`` tells whether a scenario's gateway uses it; ``change`` what to write instead, where a target cannot do it."""

    used: Callable[[Any], bool]
    change: str


def limited(limits: Any, what: str) -> bool:
    return limits is not None and getattr(limits, what) is not None


def routes_by(kind: str) -> Callable[[Any], bool]:
    return lambda gateway: gateway.routing.kind == kind


def ejects_as(kind: str) -> Callable[[Any], bool]:
    return lambda gateway: gateway.ejection is not None and gateway.ejection.kind == kind


def has_cache(kind: str) -> Callable[[Any], bool]:
    return lambda gateway: any(cache.kind == kind for cache in gateway.cache)


WORDS: dict[str, Word] = {
    "spend_limit": Word(lambda g: g.spend_limit is not None, "leave it out"),
    "sessions": Word(lambda g: g.sessions is not None, "leave it out: clients send their history along"),
    "context": Word(lambda g: g.context.kind != "full", "context: full"),
    "validation": Word(lambda g: g.validation is not None, "leave it out"),
    "classifier": Word(lambda g: g.classifier is not None, "leave it out"),
    "token_budget": Word(lambda g: g.token_budget is not None, "leave it out"),
    "overload": Word(lambda g: g.overload is not None, "leave it out"),
    "cache": Word(has_cache("exact"), "leave it out"),
    "cache: semantic": Word(has_cache("semantic"), "leave it out"),
    "cache: cdn": Word(has_cache("cdn"), "leave it out"),
    "redis": Word(lambda g: any(in_redis(cache) for cache in g.cache), "store: memory at the cache"),
    "hedge": Word(lambda g: g.hedge is not None, "leave it out"),
    "breaker": Word(lambda g: g.breaker is not None, "leave it out"),
    **{f"ejection: {kind}": Word(ejects_as(kind), "the kind of this gateway, or leave it out") for kind in EJECTIONS},
    "fallback: stale-cache": Word(lambda g: "stale-cache" in g.fallback, "take it out of the list"),
    "fallback: canned": Word(lambda g: "canned" in g.fallback, "take it out of the list"),
    "fallback: next-provider": Word(lambda g: "next-provider" in g.fallback, "leave it out"),
    "limits.per_user.requests": Word(lambda g: limited(g.limits.per_user, "requests"), "leave it out"),
    "limits.per_user.tokens": Word(lambda g: limited(g.limits.per_user, "tokens"), "leave it out"),
    "limits.global.requests": Word(lambda g: limited(g.limits.global_, "requests"), "leave it out"),
    "limits.global.tokens": Word(lambda g: limited(g.limits.global_, "tokens"), "leave it out"),
    "jobs": Word(lambda g: g.jobs is not None, "leave it out: clients wait for their answers"),
    "connections": Word(lambda g: g.connections is not None, "leave it out"),
    "queue": Word(lambda g: g.queue is not None, "leave it out"),
    "timeout.first_token": Word(
        lambda g: g.timeout.first_token is not None, "leave it out, or let the client leave: workload.client.timeout"
    ),
    "timeout.attempt": Word(lambda g: g.timeout.attempt is not None, "timeout.total, with retry: 1"),
    "timeout.total": Word(lambda g: g.timeout.total is not None, "leave it out, or let the client leave: workload.client.timeout"),
    "retry": Word(lambda g: g.retry.attempts > 1, "retry: 1"),
    "retry.budget": Word(lambda g: g.retry.budget is not None, "leave it out"),
    "retry.backoff": Word(lambda g: g.retry.attempts > 1 and g.retry.backoff.kind != "none", "backoff: none"),
    "retry.to: same": Word(lambda g: g.retry.attempts > 1 and g.retry.to == "same", "to: next"),
    "retry.to: next": Word(lambda g: g.retry.attempts > 1 and g.retry.to == "next", "to: same"),
    "retry.to: any": Word(lambda g: g.retry.attempts > 1 and g.retry.to == "any", "to: next"),
    "queue.per: worker": Word(
        lambda g: g.queue is not None and g.queue.per == "worker", "per: gateway, with the concurrency of all workers"
    ),
    "held_writes": Word(lambda g: g.held_writes is not None, "leave it out: each piece of a stream is sent on at once"),
    "regions": Word(lambda g: g.regions is not None, "leave it out: one machine is one region"),
    "autoscale": Word(lambda g: g.autoscale is not None, "leave it out, and write the number of workers"),
    "workers": Word(lambda g: g.workers > 1, "workers: 1"),
    "cancel_on_disconnect: false": Word(lambda g: not g.cancel_on_disconnect, "true"),
    "cancel_on_disconnect: true": Word(lambda g: g.cancel_on_disconnect, "false"),
    **{
        f"routing: {kind}": Word(routes_by(kind), "choose another kind")
        for kind in ("round-robin", "least-busy", "cheapest", "fastest", "weighted", "capability", "nearest")
    },
}


def refused(scenario: Any, can: set[str]) -> list[str]:
    """A line for each word that the scenario uses and that is not in ``can``."""
    assert can <= WORDS.keys(), can - WORDS.keys()
    gateway = scenario.gateway
    return [
        f"gateway.{name}: this gateway does not do that; write instead: {word.change}"
        for name, word in WORDS.items()
        if name not in can and word.used(gateway)
    ]


def one_key_each(scenario: Any) -> Iterator[str]:
    for name, provider in scenario.providers.items():
        if provider.keys > 1:
            yield f"providers.{name}.keys: this gateway gets one key for each provider; write keys: 1"


def only_openai(scenario: Any, dialects: tuple[str, ...] = ("openai",)) -> Iterator[str]:
    for name, provider in scenario.providers.items():
        if provider.dialect not in dialects:
            known = " or ".join(dialects)
            yield f"providers.{name}.dialect: {provider.dialect} is not spoken by this gateway; write dialect: {known}"


class Upstream(NamedTuple):
    """One target of the routing, with the provider's first key and its share of the calls."""

    provider: str
    model: str
    key: str
    weight: float

    @property
    def name(self) -> str:
        return f"{self.provider}-{self.model}".replace("/", "-")


def upstreams(scenario: Any, pool: str | None = None) -> list[Upstream]:
    """The targets of a pool of the routing, in its order; default: of the first one."""
    pools = pools_of(scenario)
    weights = getattr(scenario.gateway.routing, "weights", {})
    found = []
    for target in pools[next(iter(pools)) if pool is None else pool]:
        provider, model = target.split("/", 1)
        found.append(Upstream(provider, model, keys_of(provider, 1)[0], weights.get(target, 1.0)))
    return found


def one_model(scenario: Any) -> Iterator[str]:
    """A proxy passes bodies on as they are: what it cannot do for that reason."""
    if scenario.gateway.routing.kind != "capability" and len(models := {each.model for each in upstreams(scenario)}) > 1:
        named = ", ".join(sorted(models))
        yield f"gateway.routing: a proxy passes the model's name on as it is, so all targets must have the same one; found {named}"


def as_the_model_is_called(scenario: Any) -> ClientSide:
    """Clients of a proxy ask for the provider's model, since nothing on the way changes the name."""
    model = upstreams(scenario)[0].model
    return ClientSide(models={each.needs or DEFAULT_MODEL: model for each in scenario.workload.requests})


def asked_pools(scenario: Any) -> dict[str, str]:
    """The pool of the routing behind each model that clients ask for."""
    names = list(pools_of(scenario))
    return {each.needs or DEFAULT_MODEL: names[pool_of(scenario, each.needs)] for each in scenario.workload.requests}


def not_retried(scenario: Any, retried: tuple[int, ...]) -> Iterator[str]:
    """Errors that the scenario gives its providers, that the model retries, and a gateway that retries ``retried`` does not."""
    if scenario.gateway.retry.attempts == 1:
        return
    for name, provider in scenario.providers.items():
        if 429 not in retried and (provider.limits.requests is not None or provider.limits.tokens is not None):
            yield f"gateway.retry: this gateway does not retry 429, which providers.{name}.limits makes likely; leave one of them out"
        if provider.errors is not None and provider.errors.rate > 0 and provider.errors.status not in retried:
            status = provider.errors.status
            yield f"gateway.retry: this gateway does not retry {status}, the status of providers.{name}.errors; write status: 503"


def only_buckets(scenario: Any, gateway: str) -> Iterator[str]:
    limit = scenario.gateway.limits.global_
    if limited(limit, "requests") and limit.algorithm != "token-bucket":
        yield f"gateway.limits.global.algorithm: {gateway} is a token-bucket"


def waits_for_ever(scenario: Any, gateway: str) -> Iterator[str]:
    """Of a gateway whose queue has no timeout, and room for one at least."""
    queue = scenario.gateway.queue
    if queue is not None and (queue.timeout is not None or queue.waiting == 0):
        yield f"gateway.queue: {gateway} has no timeout and room for one at least; write timeout: null, waiting: 1 or more"


def counted(limit: Any, unlimited: int) -> int:
    """A limit for a gateway that writes ``unlimited`` where there is none."""
    return int(limit) if isfinite(number(limit)) else unlimited


def number(limit: Any) -> float:
    """A limit that may be absent or ``unlimited``."""
    return inf if limit in (None, "unlimited") else float(limit)
