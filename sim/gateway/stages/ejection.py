"""Ejection: a target that fails is left out for a while, as proxies and gateways of others do it. What counts, and for how long, differs.

envoy (1.40, outlier detection): so many 5xx in a row eject. A sweep lets back in, after the base time once for each ejection lately (every
sweep that finds the target in takes one off); no more than a share of all are out, and with too few in, calls go to all. Changes within the
merge window of the last one reach the load balancer together, at its end: until then a target that is out is called on.
haproxy (2.6, ``observe layer7 on-error mark-down``): so many errors in a row mark down; so many health checks mark up. Each check that
passes begins the count anew. They come at the multiples of their interval here; in HAProxy at times that hang on its start.
nginx (1.22, by whole seconds): so many failures, until a success that comes longer than the fail timeout after the last one, leave a target
out for as long; then one call tries it. A status counts when the call goes on to another target. A lone target stays.
litellm (1.108): more failures than half of the calls in a minute that began with the first of them, or more than are allowed in a
cool-down's time, or one 429, 401, 402 or 404; for the cool-down, or for as long as the provider says. A lone deployment hardly ever.
ferrogw (1.5, a breaker for each target): so many failures in a row open it, for a time; then half-open, for a few calls at once, until so
many of them have been answered, or one fails. A 429 and a client that leaves say nothing of that. A 429 parks the target instead, for as
long as the provider says, at most a minute, or for 5 s; a call that is on its way through its attempts there finishes them. While every
target is out, those that are parked are called on.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor, inf
from typing import Any

from pydantic import Field

from sim.data.outcomes import ERROR
from sim.data.statuses import CANCELLED, NOT_SENT, REFUSED, TIMED_OUT
from sim.gateway.call import CONTINUE
from sim.gateway.ejection_words import Ejection
from sim.gateway.events import event
from sim.gateway.hooks import note
from sim.gateway.stages.route import pools_of
from sim.kernel.containers import Keyed
from sim.kernel.refusals import refusal
from sim.kernel.state import state
from sim.scenario.finding import Finding
from sim.scenario.targets import target_names
from sim.scenario.values import Model

KINDS = ("envoy", "haproxy", "nginx", "litellm", "ferrogw")
ENVOY, HAPROXY, NGINX, LITELLM, FERROGW = range(5)
CLOSED, OPEN, HALF_OPEN = range(3)  # of ferrogw's breakers
EJECTED = event("ejection", ("out",))
IS_OUT = refusal("ejection")
NGINX_STATUSES = (429, 500, 502, 503, 504)
MINUTE_S = 60.0
PARKED_S, PARKED_AT_MOST_S = 5.0, 60.0  # by ferrogw 1.5.10, as recorded
LONE_REQUESTS = 1000  # a lone deployment of LiteLLM is left out when so many requests in a minute have all failed


class Config(Model):
    ejection: Ejection | None = Field(None, description="leave failing targets out as a real gateway does; default: none")


@state
class State:
    """``out_s``: an ejection's time, or HAProxy's from check to check."""

    kind: int
    limit: int  # failures that eject
    out_s: float
    every_s: float = inf  # from sweep to sweep
    most_s: float = inf
    most_out: float = 1.0
    panic: float = 0.0
    merge_s: float = 0.0
    changed_s: float = -inf  # the last change that has come into force, or will
    rise: int = 0  # health checks, or answers, that let a target in again
    most_trials: int = 0  # at once, of a half-open target
    allowed_fails: int = -1  # below zero: the share counts
    failure_share: float = 1.0
    routed: int = 0  # targets that any call can be sent to
    attempts: int = 1  # of a call


@state
class Health:
    lone: bool = False
    out_from_s: float = 0.0
    out_until_s: float = 0.0
    failures: int = 0
    failures_from_s: float = -inf  # of LiteLLM's windows: their start
    successes: int = 0
    successes_from_s: float = -inf
    ejections: int = 0  # lately
    checked_s: float = -inf  # nginx: the last failure or trial, a whole second
    failed_s: float = -inf
    phase: int = CLOSED
    trials: int = 0  # under way
    parked_until_s: float = -inf


@state
class Call:
    is_watched: bool = False


def check(scenario: Any) -> Iterator[Finding]:
    config = scenario.gateway.ejection
    if config is None:
        return
    for name in KIND_DEFAULTS:
        if getattr(config, name, 1.0) == 0:
            yield Finding(("gateway", "ejection", name), "expected a duration above zero", f"leave it out for {KIND_DEFAULTS[name]}")
    routed = len({target for pool in pools_of(scenario).values() for target in pool})
    if config.kind == "envoy" and config.max_ejection_percent * routed < 1:
        message = f"max_ejection_percent {config.max_ejection_percent:.0%} of {routed} targets is none: Envoy will eject nobody"
        hint = f"write {ceil(100 / routed)}% or more"
        yield Finding(("gateway", "ejection"), message, hint, warning=True)
    if config.kind == "nginx" and config.fail_timeout != int(config.fail_timeout):
        yield Finding(("gateway", "ejection", "fail_timeout"), "nginx counts whole seconds", f"write {ceil(config.fail_timeout)}s")
    if config.kind == "nginx" and all(len(pool) == 1 for pool in pools_of(scenario).values()):
        yield Finding(("gateway", "ejection"), "nginx never leaves a lone target out", "add a second target to the routing", warning=True)
    if config.kind == "nginx" and scenario.gateway.retry.attempts == 1:
        message = "nginx counts the statuses of attempts that are followed by another one, and there is one attempt"
        yield Finding(("gateway", "ejection"), message, "write retry: {attempts: 2, to: next, backoff: none}", warning=True)


KIND_DEFAULTS = {"interval": "10s", "inter": "2s", "timeout": "30s"}


def build(scenario: Any, seed: int) -> Any:
    config = scenario.gateway.ejection
    if config is None:
        return None
    kind, routed = KINDS.index(config.kind), len({target for pool in pools_of(scenario).values() for target in pool})
    if kind == ENVOY:
        return State(
            kind, config.consecutive_5xx, config.base_ejection_time, config.interval,
            max(config.max_ejection_time, config.base_ejection_time), config.max_ejection_percent, config.panic_threshold,
            config.update_merge_window, routed=routed,
        )  # fmt: skip
    if kind == HAPROXY:
        return State(kind, config.error_limit, config.inter, rise=config.rise)
    if kind == NGINX:
        return State(kind, config.max_fails, config.fail_timeout, attempts=scenario.gateway.retry.attempts)
    if kind == FERROGW:
        return State(
            kind, config.failure_threshold, config.timeout, rise=config.success_threshold, most_trials=config.max_half_threshold,
            routed=routed, attempts=scenario.gateway.retry.attempts,
        )  # fmt: skip
    allowed = -1 if config.allowed_fails is None else config.allowed_fails
    return State(kind, config.minimum_requests, config.cooldown_time, allowed_fails=allowed, failure_share=config.failure_threshold_percent)


def target_health(scenario: Any, s: Any) -> Keyed:
    pools, ordered = pools_of(scenario).values(), scenario.gateway.routing.kind == "capability" and s.kind == LITELLM
    rows = []
    for target in target_names(scenario):
        sizes = [len(pool) for pool in pools if target in pool]
        rows.append(Health(ordered or max(sizes, default=1) == 1))  # each of an order is a LiteLLM group of its own
    return Keyed(len(rows), Health, rows)


TABLES = (target_health,)


def permits(g: Any, target: int, now_s: float) -> bool:
    health = g.target_health[target]
    if g.ejection.kind == FERROGW:
        return may_try(g.ejection, health, now_s) and (now_s >= health.parked_until_s or is_all_out(g, now_s))
    return bool(now_s >= health.out_until_s or now_s < health.out_from_s or panics(g, now_s))


def panics(g: Any, now_s: float) -> bool:
    s = g.ejection
    return bool(s.panic > 0.0 and s.routed - count_out(g, now_s) < s.panic * s.routed)


def count_out(g: Any, now_s: float) -> int:
    count = 0
    for target in range(len(g.target_health)):
        if now_s < g.target_health[target].out_until_s:
            count += 1
    return count


def enter(g: Any, c: Any, now_s: float) -> int:
    if not permits(g, c.aim, now_s):
        c.refused_by = IS_OUT
        return ERROR
    c.is_watched = True
    if g.ejection.kind == NGINX:
        pick(g.ejection, g.target_health[c.aim], now_s)
    elif g.ejection.kind == FERROGW:
        try_again(g.target_health[c.aim])
    return CONTINUE


def leave(g: Any, c: Any, now_s: float) -> None:
    if not c.is_watched:
        return
    c.is_watched = False
    s, health, status = g.ejection, g.target_health[c.aim], c.status
    if s.kind == FERROGW:
        judge_by_ferrogw(g, c, health, now_s)
        return
    if status <= NOT_SENT or (status == CANCELLED and s.kind != NGINX):
        return
    if s.kind == NGINX:
        judge_by_nginx(g, c, health, now_s)
    elif s.kind == LITELLM:
        judge_by_litellm(g, c, health, now_s)
    elif not is_failure(s, status):
        health.failures = 0
    else:
        if s.kind == HAPROXY and health.failed_s < floor(now_s / s.out_s) * s.out_s:  # a health check has passed since
            health.failures = 0
        health.failures += 1
        health.failed_s = now_s
        if health.failures >= s.limit:
            health.failures = 0
            if s.kind == HAPROXY:
                eject(g, c.aim, (floor(now_s / s.out_s) + s.rise) * s.out_s, now_s)
            else:
                eject_by_envoy(g, c.aim, health, now_s)


def is_failure(s: Any, status: int) -> bool:
    return status in (REFUSED, TIMED_OUT) or (status >= 500 and (s.kind == ENVOY or status not in (501, 505)))


def eject(g: Any, target: int, until_s: float, now_s: float) -> None:
    g.target_health[target].out_from_s, g.target_health[target].out_until_s = now_s, until_s
    note(g, now_s, EJECTED, target, 0)


def eject_by_envoy(g: Any, target: int, health: Any, now_s: float) -> None:
    s = g.ejection
    if now_s < health.out_until_s or count_out(g, now_s) + 1 > s.most_out * s.routed:
        return
    from_s = comes_into_force_s(g, now_s)
    if health.ejections > 0:
        sweeps = floor(now_s / s.every_s) - floor(health.out_until_s / s.every_s + 0.5)
        health.ejections = max(0, health.ejections - sweeps)
    if health.ejections * s.out_s < s.most_s + s.out_s:
        health.ejections += 1
    eject(g, target, ceil((now_s + min(health.ejections * s.out_s, s.most_s)) / s.every_s) * s.every_s, now_s)
    health.out_from_s = s.changed_s = from_s


def comes_into_force_s(g: Any, now_s: float) -> float:
    """``ClusterManagerImpl::scheduleUpdate``: at once, or with those that wait for the end of the merge window."""
    s = g.ejection
    if s.changed_s > now_s:
        return float(s.changed_s)
    last_s = s.changed_s
    for target in range(len(g.target_health)):
        back_s = g.target_health[target].out_until_s
        if last_s < back_s <= now_s and back_s > 0.0:
            last_s = back_s
    return now_s if now_s - last_s > s.merge_s else now_s + s.merge_s


def pick(s: Any, health: Any, now_s: float) -> None:
    """``ngx_http_upstream_get_peer``: the first call after the fail timeout tries the target; others wait for what becomes of it."""
    second = floor(now_s)
    if second - health.checked_s > s.out_s:
        health.checked_s = second
        if health.failures >= s.limit:
            health.out_from_s, health.out_until_s = now_s, second + s.out_s + 1.0


def judge_by_nginx(g: Any, c: Any, health: Any, now_s: float) -> None:
    """``ngx_http_upstream_free_round_robin_peer``."""
    s, status = g.ejection, c.status
    if health.lone:
        return
    goes_on = c.attempts < min(s.attempts, g.pool_sizes[c.needs].targets)
    if status in (REFUSED, TIMED_OUT) or (goes_on and status in NGINX_STATUSES):
        health.failures += 1
        health.failed_s = health.checked_s = floor(now_s)
        if health.failures >= s.limit:
            eject(g, c.aim, health.checked_s + s.out_s + 1.0, now_s)
    elif health.failed_s < health.checked_s:
        health.failures = 0
        health.out_until_s = 0.0


def judge_by_litellm(g: Any, c: Any, health: Any, now_s: float) -> None:
    """``_should_cooldown_deployment``."""
    s, status = g.ejection, c.status
    window_s = MINUTE_S if s.allowed_fails < 0 else s.out_s
    if now_s >= health.successes_from_s + window_s:
        health.successes, health.successes_from_s = 0, (now_s if status == 200 else -inf)
    if status == 200:
        health.successes += 1
        return
    at_once = status in (401, 402, 404)
    counts = at_once or status in (REFUSED, TIMED_OUT, 408, 429) or status >= 500
    if s.allowed_fails >= 0 and (health.lone or not counts):
        return
    if now_s >= health.failures_from_s + window_s:
        health.failures, health.failures_from_s = 0, now_s
    health.failures += 1
    if counts and now_s >= health.out_until_s and cools_down(s, health, at_once, status):
        told = c.retry_after_s >= 0.0  # false for none, which is nan
        eject(g, c.aim, now_s + (floor(c.retry_after_s) if told else s.out_s), now_s)


def cools_down(s: Any, health: Any, at_once: bool, status: int) -> bool:
    if s.allowed_fails >= 0:
        return bool(health.failures > s.allowed_fails)
    requests = health.failures + health.successes
    if health.failures == requests and requests >= LONE_REQUESTS:
        return True
    if health.lone:
        return at_once and status != 402
    return bool(at_once or status == 429 or (health.failures > s.failure_share * requests and requests >= s.limit))


def may_try(s: Any, health: Any, now_s: float) -> bool:
    """``CircuitBreaker.Allow``."""
    return bool(health.trials < s.most_trials if health.phase == HALF_OPEN else now_s >= health.out_until_s)


def is_all_out(g: Any, now_s: float) -> bool:
    """``healthyKeys`` finds nothing, and then takes all."""
    count = 0
    for target in range(len(g.target_health)):
        health = g.target_health[target]
        if now_s < health.parked_until_s or now_s < health.out_until_s:
            count += 1
    return bool(count >= g.ejection.routed)


def try_again(health: Any) -> None:
    if health.phase == OPEN:
        health.phase, health.successes, health.trials = HALF_OPEN, 0, 0
    if health.phase == HALF_OPEN:
        health.trials += 1


def judge_by_ferrogw(g: Any, c: Any, health: Any, now_s: float) -> None:
    """``recordCircuitBreakerOutcome``. Results of earlier calls count while it is half-open, too, and not while it is open."""
    s, status = g.ejection, c.status
    if health.phase == HALF_OPEN and health.trials > 0:
        health.trials -= 1
    if status == 429:
        park(s, c, health, now_s)
    elif status <= NOT_SENT or status == CANCELLED or health.phase == OPEN:
        return
    elif status == 200:
        health.successes += 1
        if health.phase == CLOSED or health.successes >= s.rise:
            health.phase, health.failures = CLOSED, 0
    else:
        health.failures += 1
        if health.phase == HALF_OPEN or health.failures >= s.limit:
            health.phase, health.trials = OPEN, 0
            eject(g, c.aim, now_s + s.out_s, now_s)


def park(s: Any, c: Any, health: Any, now_s: float) -> None:
    """``Gateway.parkRateLimited``, after the last of the call's attempts at the target."""
    if c.attempts % s.attempts == 0:
        told = c.retry_after_s > 0.0  # false for none, which is nan
        health.parked_until_s = now_s + (min(c.retry_after_s, PARKED_AT_MOST_S) if told else PARKED_S)
