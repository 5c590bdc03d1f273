"""Graceful degradation: when no provider answered, an earlier answer or a prepared text instead of the failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from sim.data.outcomes import CANNED, ERROR, RATE_LIMITED, REJECTED, STALE, TIMEOUT
from sim.gateway.hooks import stale
from sim.gateway.stages.freshness import caches_of
from sim.kernel.state import state
from sim.scenario.finding import Finding
from sim.scenario.values import Model

NEXT_PROVIDER, STALE_CACHE, PREPARED = "next-provider", "stale-cache", "canned"
DEFAULT_ON: Any = ("error", "timeout")


class Config(Model):
    fallback: Annotated[tuple[Literal["next-provider", "stale-cache", "canned"], ...], Field(max_length=3)] = Field(
        (),
        description="when a target fails, in this order: next-provider tries the other targets of the pool; stale-cache gives an earlier "
        "answer, however old; canned gives a prepared text. The last two are degraded answers: they do not count as available",
    )
    fallback_on: Annotated[tuple[Literal["error", "timeout", "rejected", "rate_limited"], ...], Field(max_length=4)] = Field(
        DEFAULT_ON, description="the outcomes that stale-cache and canned replace"
    )


@state
class State:
    stale: bool = False
    canned: bool = False
    on_error: bool = True
    on_timeout: bool = True
    on_rejected: bool = False
    on_rate_limited: bool = False


def check(scenario: Any) -> Iterator[Finding]:
    gateway = scenario.gateway
    if STALE_CACHE in gateway.fallback and not caches_of(scenario, "exact"):
        path = ("gateway", "fallback", gateway.fallback.index(STALE_CACHE))
        yield Finding(path, "stale-cache answers from an exact cache, and there is none", "add gateway.cache")
    if gateway.fallback_on != DEFAULT_ON and not set(gateway.fallback) & {STALE_CACHE, PREPARED}:
        message = "says when a degraded answer is given, and fallback has none"
        yield Finding(("gateway", "fallback_on"), message, "add stale-cache or canned to gateway.fallback", warning=True)


def build(scenario: Any, seed: int) -> Any:
    gateway = scenario.gateway
    steps = [step for step in gateway.fallback if step != NEXT_PROVIDER]
    if not steps:
        return None
    chosen = {f"on_{name}": name in gateway.fallback_on for name in ("error", "timeout", "rejected", "rate_limited")}
    return State(stale=steps[0] == STALE_CACHE, canned=PREPARED in steps, **chosen)


def rescue(g: Any, c: Any, now_s: float) -> int:
    s = g.degrade
    if not replaces(s, c.outcome):
        return c.outcome
    if s.stale and stale(g, c, now_s):
        return STALE
    return CANNED if s.canned else c.outcome


def replaces(s: Any, outcome: int) -> bool:
    return (
        (outcome == ERROR and s.on_error)
        or (outcome == TIMEOUT and s.on_timeout)
        or (outcome == REJECTED and s.on_rejected)
        or (outcome == RATE_LIMITED and s.on_rate_limited)
    )
