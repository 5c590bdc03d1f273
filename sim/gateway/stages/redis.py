"""Redis: where sessions and cached answers are kept, if the scenario says so. Each look-up is a round trip, and Redis may fail.

Other stages ``ask`` and, when the time has come, learn whether it ``answered``; what they then read in their own tables is what Redis
holds. A real gateway replaces ``ask`` by one that asks a real Redis. There is no decision of its own, but for what happens without Redis.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Annotated, Any, Literal

from pydantic import Field

from sim.data.outcomes import ERROR
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.events import event
from sim.gateway.hooks import note
from sim.kernel.containers import NOBODY, Keyed
from sim.kernel.refusals import refusal
from sim.kernel.state import Short, state
from sim.scenario.distributions import Constant
from sim.scenario.finding import Finding
from sim.scenario.metric_names import StageFigure
from sim.scenario.tree import Steps
from sim.scenario.units import Seconds
from sim.scenario.values import Duration, Durations, Model
from sim.stochastics.random_streams import Purpose

SESSION, ANSWER = 0, 1  # what is kept there
GONE, HANGS, SLOW, FULL = range(4)
EFFECTS = {"redis-outage": GONE, "redis-restart": GONE, "redis-slow": SLOW, "redis-full": FULL}
WITHOUT = refusal("redis")
FAILING = event("redis", ("answers", "fails"))
OPTIONAL = True

Store = Literal["memory", "redis"] | Annotated[str, Field(pattern=r"^redis://[^@\s]+$")]
"""A password has no place in a scenario: a real gateway takes it from TENFOLD_REDIS_PASSWORD."""


class Redis(Model):
    """How the gateway uses Redis."""

    latency: Durations = Field(
        Constant(kind="constant", value=Seconds(0.001)),
        description="of one round trip, with the client's own work; a real one takes its time",
    )
    timeout: Duration = Field(Seconds(0.1), description="an answer that takes longer counts as none; above zero")
    on_failure: Literal["open", "closed"] = Field(
        "open", description="without Redis, open: go on as if it held nothing; closed: refuse the request"
    )


class Config(Model):
    redis: Redis = Field(Redis(), description="how Redis is used, where sessions or caches are kept there")


@state
class State:
    timeout_s: float
    closed: bool
    faults: int
    failing: bool = False


@state
class Failing:
    """A fault of the scenario: from and until when, and what it does."""

    at_s: float = 0.0
    until_s: float = 0.0
    effect: Short = GONE
    loses: bool = False
    delay_s: float = 0.0


@state
class Request:
    answer_trip_s: float = 0.0


@state
class Call:
    redis_since_s: float = 0.0
    redis_s: float = 0.0
    redis_failed: bool = False


COLUMNS = {
    "redis_s": ("f8", "waiting for Redis"),
    "redis_failed": ("i1", "1: Redis did not answer, the last time that it was asked"),
}
PARTS = {"redis_s": "Redis"}
FIGURES = {
    "redis_failure_rate": StageFigure("share", "lower", "requests that Redis did not answer", column="redis_failed"),
    "redis_s": StageFigure("s", "lower", "waiting for Redis, per request", column="redis_s"),
}


def in_redis(kept: Any) -> bool:
    """Whether the sessions, or a cache, are kept in Redis."""
    return kept is not None and getattr(kept, "store", "memory") != "memory"


def caches_in_redis(scenario: Any) -> list[Any]:
    return [cache for cache in scenario.gateway.cache if in_redis(cache)]


def answer_trip(scenario: Any) -> Any:
    return scenario.gateway.redis.latency if caches_in_redis(scenario) else None


DRAWS = {"answer_trip_s": (Purpose.REDIS, answer_trip)}
MODEL_ONLY = ("answer_trip_s",)


def stores(scenario: Any) -> dict[str, Steps]:
    """The Redis that the scenario names, and where it does."""
    found: dict[str, Steps] = {}
    for number, cache in enumerate(scenario.gateway.cache):
        if in_redis(cache):
            found[cache.store] = ("gateway", "cache", number, "store")
    if in_redis(scenario.gateway.sessions):
        found[scenario.gateway.sessions.store] = ("gateway", "sessions", "store")
    return found


def check(scenario: Any) -> Iterator[Finding]:
    named = stores(scenario)
    for store, path in list(named.items())[1:]:
        yield Finding(path, f"{store} is another Redis than {next(iter(named))}", "a gateway has one: write the same for all")
    if scenario.gateway.redis.timeout <= 0:
        yield Finding(("gateway", "redis", "timeout"), "expected a duration above zero")
    if not named and scenario.gateway.redis != Redis():
        yield Finding(("gateway", "redis"), "nothing is kept in Redis", "write sessions: redis, or store: redis at a cache", warning=True)
    for index, fault in enumerate(scenario.faults):
        if fault.kind in EFFECTS and not named:
            yield Finding(("faults", index), "nothing is kept in Redis", "write sessions: redis, or store: redis at a cache")


def build(scenario: Any, seed: int) -> Any:
    if not stores(scenario):
        return None
    redis = scenario.gateway.redis
    return State(redis.timeout, redis.on_failure == "closed", sum(fault.kind in EFFECTS for fault in scenario.faults))


def redis_faults(scenario: Any, s: Any) -> Keyed:
    rows = [failing(fault) for fault in scenario.faults if fault.kind in EFFECTS]
    return Keyed(max(1, len(rows)), Failing, rows)


def failing(fault: Any) -> Failing:
    effect = HANGS if fault.kind == "redis-outage" and fault.mode == "hang" else EFFECTS[fault.kind]
    return Failing(fault.at, fault.at + fault.for_, effect, fault.kind == "redis-restart", fault.delay)


TABLES = (redis_faults,)


def ask_by_law(g: Any, c: Any, shelf: int, now_s: float) -> int:
    """A round trip begins: WAIT until it ends, or is given up."""
    trip_s = c.lookup_s if shelf == SESSION else c.answer_trip_s
    s = g.redis
    c.redis_since_s, c.redis_failed = now_s, False
    for number in range(s.faults):
        fault = g.redis_faults[number]
        if fault.at_s <= now_s and now_s < fault.until_s:
            if fault.effect == SLOW:
                trip_s += fault.delay_s
            elif fault.effect == HANGS:
                trip_s = inf
            elif fault.effect == GONE:
                c.redis_failed = True
    if trip_s > s.timeout_s:
        trip_s, c.redis_failed = s.timeout_s, True
    c.until_s = now_s + trip_s
    return WAIT


def answered(g: Any, c: Any, now_s: float) -> bool:
    """What came of asking."""
    c.redis_s += now_s - c.redis_since_s
    if c.redis_failed != g.redis.failing:
        g.redis.failing = c.redis_failed
        note(g, now_s, FAILING, NOBODY, int(c.redis_failed))
    return not c.redis_failed


def without(g: Any, c: Any) -> int:
    """What becomes of a call that Redis did not answer."""
    if g.redis.closed:
        c.refused_by = WITHOUT
        return ERROR
    return CONTINUE


def held(g: Any, since_s: float, now_s: float) -> bool:
    """Whether what was written then has not been lost since."""
    for number in range(g.redis.faults):
        fault = g.redis_faults[number]
        if fault.loses and since_s <= fault.at_s and fault.at_s <= now_s:
            return False
    return True


def takes(g: Any, now_s: float) -> bool:
    """Whether Redis takes something new now."""
    for number in range(g.redis.faults):
        fault = g.redis_faults[number]
        if fault.effect != SLOW and fault.at_s <= now_s and now_s < fault.until_s:
            return False
    return True
