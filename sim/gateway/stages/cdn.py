"""A CDN in front of the gateway: identical prompts are answered at the edge, before any limit and any work of the gateway's own.

Each point of presence keeps answers of its own, and each user comes to one of them. What a provider has answered is kept there on its way
back; requests that bring history pass. Its room is taken to be unlimited.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, Any, Literal

from pydantic import Field

from sim.data.outcomes import CACHE_HIT, OK
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.stages.freshness import CDN, caches_of, changed, serve, serving, told_after_s
from sim.kernel.containers import NOBODY, Keyed
from sim.kernel.state import Short, state
from sim.scenario.units import Seconds
from sim.scenario.values import Count, Duration, Model, Name

OPTIONAL = True


class CdnCache(Model):
    """Answers to identical prompts, kept at the edge."""

    kind: Literal["cdn"]
    ttl: Duration = Field(description="an answer is fresh for so long")
    points: Annotated[Count, Field(le=100)] = Field(
        1, description="points of presence, each with answers of its own and a part of the users; with gateway.regions each a region"
    )
    hit: Duration = Field(Seconds(0.0), description="time that an answer from the edge takes")
    invalidation: Literal["ttl", "version"] = Field("ttl", description="version: an answer is purged when its content has changed")
    notice: Duration = Field(Seconds(0.0), description="from a change of the content until the purge")
    classes: tuple[Name, ...] = Field((), description="request classes that it serves; default: all that no CDN before it serves")


@state
class State:
    points: int
    by_region: bool


@state
class Edge:
    """What the CDN does for a request class; no points: nothing."""

    points: Short = 0
    ttl_s: float = 0.0
    hit_s: float = 0.0
    notice_s: float = inf


@state
class Call:
    edge_made_s: float = 0.0  # the answer on its way
    edge_since_s: float = 0.0
    edge_s: float = 0.0
    point: Short = NOBODY  # that will keep its answer


COLUMNS = {"edge_s": ("f8", "on the way to an answer at the edge")}
PARTS = {"edge_s": "CDN"}


def build(scenario: Any, seed: int) -> Any:
    found = caches_of(scenario, "cdn")
    return State(max(cache.points for cache in found), scenario.gateway.regions is not None) if found else None


def edges(scenario: Any, s: Any) -> Keyed:
    caches = caches_of(scenario, "cdn")
    places = [serving(caches, each.name) for each in scenario.workload.requests]
    rows = [Edge() if place == NOBODY else edge_of(caches[place]) for place in places]
    return Keyed(len(rows), Edge, rows)


def edge_of(cache: CdnCache) -> Edge:
    return Edge(cache.points, cache.ttl, cache.hit, told_after_s(cache))


def edge_answers(scenario: Any, s: Any) -> Keyed:
    """When each point's answer to a prompt was made; -inf: it has none."""
    return Keyed("prompt", lambda: [-inf] * s.points, bounded=True)


TABLES = (edges, edge_answers)


def enter(g: Any, c: Any, now_s: float) -> int:
    edge = g.edges[c.kind]
    if edge.points == 0 or c.history_turns > 0:
        return CONTINUE
    point = (c.region if g.cdn.by_region else c.user) % edge.points
    made_s = g.edge_answers[c.prompt][point]
    if now_s >= made_s + edge.ttl_s or changed(g, c.kind, c.prompt, made_s, now_s - edge.notice_s):
        c.point = point
        return CONTINUE
    c.edge_made_s, c.edge_since_s = made_s, now_s
    if edge.hit_s <= 0.0:
        return woken(g, c, now_s)
    c.until_s = now_s + edge.hit_s
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    c.edge_s = now_s - c.edge_since_s
    serve(g, c, CDN, c.prompt, c.edge_made_s, now_s)
    return CACHE_HIT


def leave(g: Any, c: Any, now_s: float) -> None:
    """An answer to a request that the edge did not have is kept there."""
    if c.point != NOBODY and c.outcome == OK:
        g.edge_answers[c.prompt][c.point] = now_s
