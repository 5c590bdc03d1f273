"""Exact caches: identical prompts within a time to live, or within it of the last hit; the least recently used goes first when one is full.

While a prompt is being asked, others with the same prompt follow: they wait for the leader's answer (single flight). Requests that bring
history are never looked up: their answer depends on more than the prompt. A cache may be kept in Redis, which drops what has expired.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from math import inf
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from sim.data.outcomes import CACHE_HIT, OK, TIMEOUT
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.hooks import ask
from sim.gateway.stages.cdn import CdnCache
from sim.gateway.stages.freshness import EXACT, caches_of, changed, serve, serving, told_after_s
from sim.gateway.stages.redis import ANSWER, Store, answered, held, in_redis, takes, without
from sim.gateway.stages.semantic_cache import SemanticCache
from sim.kernel.containers import NOBODY, Keyed, Line, append, forget, remove, take_first, wake
from sim.kernel.state import state
from sim.scenario.errors import did_you_mean
from sim.scenario.finding import Finding
from sim.scenario.units import Seconds
from sim.scenario.values import Count, Duration, Model, Name


class ExactCache(Model):
    """Answers to identical prompts."""

    SHORT: ClassVar[str] = "ttl"

    kind: Literal["exact"]
    store: Store = Field(
        "memory", description="memory: of each gateway process; redis: one that the target starts; redis://host:port/db: one that runs"
    )
    ttl: Duration = Field(description="an answer is fresh for so long")
    sliding: bool = Field(False, description="each hit gives an entry its whole ttl again")
    capacity: Count = Field(10_000, description="answers kept; beyond, the least recently used goes")
    single_flight: bool = Field(True, description="identical prompts under way wait for the first instead of asking again")
    invalidation: Literal["ttl", "version"] = Field("ttl", description="version: an answer is stale when its content has changed")
    notice: Duration = Field(Seconds(0.0), description="from a change of the content until the cache is told")
    classes: tuple[Name, ...] = Field((), description="request classes that it serves; default: all that no exact cache before it serves")


AnyCache = Annotated[ExactCache | SemanticCache | CdnCache, Field(discriminator="kind")]


class Config(Model):
    cache: Annotated[tuple[AnyCache, ...], Field(max_length=10)] = Field(
        (), description="caches of whole answers; of each kind, a request is looked up in the first one that serves its class"
    )


@state
class State:
    caches: int


@state
class Cache:
    ttl_s: float = 0.0
    notice_s: float = inf
    sliding: bool = False
    single_flight: bool = True
    capacity: int = 0
    shared: bool = False  # kept in Redis
    recency: Line = field(default_factory=Line)  # prompts with an answer, the least recently used first


@state
class CacheOfClass:
    cache: int = NOBODY


@state
class Prompt:
    kept: bool = False  # there is an answer, fresh until:
    expires_s: float = -inf
    made_s: float = -inf
    cache: int = NOBODY  # the one that keeps it
    leader: int = NOBODY  # the call that asks for it now
    first: int = NOBODY  # of the calls that follow it, as in a Line
    last: int = NOBODY
    length: int = 0
    before: int = NOBODY
    after: int = NOBODY


@state
class Call:
    asks: bool = False  # Redis
    leads: bool = False
    follows: bool = False
    follows_since_s: float = 0.0
    coalesced_s: float = 0.0


COLUMNS = {"coalesced_s": ("f8", "waiting for the answer to an identical prompt under way")}
PARTS = {"coalesced_s": "waiting for an identical prompt"}


def check(scenario: Any) -> Iterator[Finding]:
    known = [each.name for each in scenario.workload.requests]
    for number, cache in enumerate(scenario.gateway.cache):
        for place, name in enumerate(cache.classes):
            if name not in known:
                hint = did_you_mean(name, known) or f"the workload has {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
                yield Finding(("gateway", "cache", number, "classes", place), f"no request class is called {name!r}", hint)
    yield from caches_are_of_use(scenario)


def caches_are_of_use(scenario: Any) -> Iterator[Finding]:
    """Some class comes to each cache, and asks prompts that were asked before. A trace says itself which prompts are the same."""
    classes = scenario.workload.requests
    every = {each.name for each in classes}
    free = {"exact": set(every), "semantic": set(every), "cdn": set(every)}
    for number, cache in enumerate(scenario.gateway.cache):
        here = ("gateway", "cache", number)
        served = free[cache.kind] & set(cache.classes) if cache.classes else set(free[cache.kind])
        if not served:
            message = "no request class comes here: caches of its kind before it serve them all"
            yield Finding(here, message, "give each its classes", warning=True)
        elif scenario.workload.arrivals.kind != "trace" and not any(each.prompts for each in classes if each.name in served):
            message = "nothing can hit: in no request class that it serves do users share prompts"
            yield Finding(here, message, "add prompts: {catalog: 1000} to a class, as many as there are distinct prompts", warning=True)
        free[cache.kind] -= served


def build(scenario: Any, seed: int) -> Any:
    exact = caches_of(scenario, "exact")
    return State(len(exact)) if exact else None


def caches(scenario: Any, s: Any) -> Keyed:
    return Keyed(s.caches, Cache, [cache_of(each) for each in caches_of(scenario, "exact")])


def cache_of(each: ExactCache) -> Cache:
    return Cache(each.ttl, told_after_s(each), each.sliding, each.single_flight, each.capacity, in_redis(each))


def cache_of_class(scenario: Any, s: Any) -> Keyed:
    exact = caches_of(scenario, "exact")
    rows = [CacheOfClass(serving(exact, each.name)) for each in scenario.workload.requests]
    return Keyed(len(rows), CacheOfClass, rows)


def prompts(scenario: Any, s: Any) -> Keyed:
    return Keyed("prompt", Prompt)


TABLES = (caches, cache_of_class, prompts)


def enter(g: Any, c: Any, now_s: float) -> int:
    number = g.cache_of_class[c.kind].cache
    if number == NOBODY or c.input_tokens > c.prompt_tokens:
        return CONTINUE
    if g.caches[number].shared:
        c.asks = True
        return ask(g, c, ANSWER, now_s)
    return look_up(g, c, number, now_s)


def look_up(g: Any, c: Any, number: int, now_s: float) -> int:
    prompt = g.prompts[c.prompt]
    if is_fresh(g, c, number, prompt, now_s):
        serve(g, c, EXACT, c.prompt, prompt.made_s, now_s)
        return CACHE_HIT
    if prompt.leader == NOBODY or not g.caches[number].single_flight:
        c.leads, prompt.leader = True, c.slot
        return CONTINUE
    append(g.calls, prompt, c.slot)
    c.follows, c.follows_since_s = True, now_s
    c.until_s = c.deadline_s
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    number = g.cache_of_class[c.kind].cache
    if c.asks:
        c.asks = False
        return look_up(g, c, number, now_s) if answered(g, c, now_s) else without(g, c)
    c.coalesced_s += now_s - c.follows_since_s
    if c.follows or now_s >= c.deadline_s:
        return TIMEOUT
    return look_up(g, c, number, now_s)  # the leader is back, perhaps without an answer


def leave(g: Any, c: Any, now_s: float) -> None:
    if c.follows:
        remove(g.calls, g.prompts[c.prompt], c.slot)
        c.follows = False
    if c.leads:
        c.leads = False
        land(g, c, now_s)


def stale(g: Any, c: Any, now_s: float) -> bool:
    number = g.cache_of_class[c.kind].cache
    if number == NOBODY or g.caches[number].shared:
        return False
    prompt = g.prompts[c.prompt]
    is_fresh(g, c, number, prompt, now_s)  # counts as a use
    kept = prompt.kept
    if kept:
        serve(g, c, EXACT, c.prompt, prompt.made_s, now_s)
    tidy(g, c.prompt)
    return kept


def is_fresh(g: Any, c: Any, number: int, prompt: Any, now_s: float) -> bool:
    """Whether cache ``number`` has a fresh answer to the call, which becomes the most recently used one, and lives on where the time
    slides. A stale one stays as it is.
    """
    if not prompt.kept or prompt.cache != number or now_s >= prompt.expires_s:
        return False
    cache = g.caches[number]
    if cache.shared and not held(g, prompt.made_s, now_s):
        return False
    if changed(g, c.kind, c.prompt, prompt.made_s, now_s - cache.notice_s):
        return False
    remove(g.prompts, cache.recency, c.prompt)
    append(g.prompts, cache.recency, c.prompt)
    if cache.sliding:
        prompt.expires_s = now_s + cache.ttl_s
    return True


def land(g: Any, c: Any, now_s: float) -> None:
    """The leader is back: keep its answer, wake the followers."""
    prompt = g.prompts[c.prompt]
    if prompt.leader == c.slot:
        prompt.leader = NOBODY
    number = g.cache_of_class[c.kind].cache
    if c.outcome == OK and (not g.caches[number].shared or takes(g, now_s)):
        keep(g, c.prompt, number, prompt, now_s)
    while prompt.length:
        follower = g.calls[take_first(g.calls, prompt)]
        follower.follows = False
        wake(g, follower)
    tidy(g, c.prompt)


def keep(g: Any, key: Any, number: int, prompt: Any, now_s: float) -> None:
    """The answer is kept by cache ``number`` from now on, whichever kept one before."""
    if prompt.kept:
        remove(g.prompts, g.caches[prompt.cache].recency, key)
    cache = g.caches[number]
    prompt.kept, prompt.cache, prompt.made_s, prompt.expires_s = True, number, now_s, now_s + cache.ttl_s
    append(g.prompts, cache.recency, key)
    if cache.recency.length > cache.capacity:
        oldest = take_first(g.prompts, cache.recency)
        g.prompts[oldest].kept = False
        tidy(g, oldest)


def drop(g: Any, key: Any, number: int) -> None:
    """Give an entry up before its time, of cache ``number``: what a gateway that has no room for its answer does."""
    prompt = g.prompts[key]
    if prompt.kept and prompt.cache == number:
        remove(g.prompts, g.caches[number].recency, key)
        prompt.kept = False
    tidy(g, key)


def tidy(g: Any, key: Any) -> None:
    """A prompt that is neither kept nor asked for is forgotten."""
    prompt = g.prompts[key]
    if not prompt.kept and prompt.leader == NOBODY and prompt.length == 0:
        forget(g.prompts, key)
