"""Regions: users come from some, gateways stand in some, and each user is sent to the nearest gateway that is known to be up.

A gateway that has gone down is noticed after a while (health checks and the life of a DNS answer), and as long after its return. Until then
its users' calls are refused, and those that were inside when it went down are lost. A CDN is in front of all this: each region has a point
of presence. What a call waits for the network here is the whole round trip between its user and its gateway. Queue, caches and sessions of
all gateways are taken as one; workers are spread evenly over them, and those of a region that is down are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from math import inf
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from sim.data.outcomes import ERROR
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.events import event
from sim.gateway.hooks import note, resized
from sim.kernel.containers import NOBODY, Keyed
from sim.kernel.refusals import refusal
from sim.kernel.state import Short, state
from sim.scenario.finding import Finding
from sim.scenario.metric_names import StageFigure
from sim.scenario.units import Seconds
from sim.scenario.values import Duration, Model, Name
from sim.stochastics.random_streams import Purpose, uniforms

OPTIONAL = True
LOST = refusal("region outage")
DOWN, UP = range(2)
MOVED = event("region", ("down", "up"), subject="number")


class Regions(Model):
    """Where gateways stand, and how far regions are from each other."""

    gateways: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)] = Field(description="regions with a gateway")
    within: Duration = Field(Seconds(0.0), description="round trip between a user and a gateway, or a provider, of its own region")
    rtt: dict[Name, dict[Name, Duration]] = Field(
        {}, description="round trips between regions, each pair said once: us: {eu: 80ms, ap: 150ms}"
    )
    failover: bool = Field(True, description="users of a region that is known to be down are sent to the next nearest gateway")
    detect: Duration = Field(
        Seconds(90.0),
        description="from the begin, or end, of a region's outage until users are sent accordingly (Route 53: 3 checks of 30s)",
    )


class Config(Model):
    regions: Regions | None = Field(
        None, description="users and gateways in regions, with workload.users.regions; default: everything at one place"
    )


@state
class State:
    gateways: int
    outages: int
    failover: bool
    detect_s: float
    workers: int


@state
class Outage:
    region: int = NOBODY
    at_s: float = inf
    until_s: float = inf


@state
class Seat:
    region: int = 0  # of a gateway


@state
class Request:
    region: Short = 0  # of its user


@state
class Call:
    gateway_region: Short = NOBODY
    came_s: float = 0.0
    network_s: float = 0.0


COLUMNS = {
    "region": ("i2", "of its user, a place among the scenario's regions"),
    "gateway_region": ("i2", "of the gateway it was sent to; -1 none"),
    "network_s": ("f8", "round trip between its user and its gateway"),
}
PARTS = {"network_s": "network to the gateway"}
FIGURES = {
    "region_lost_rate": StageFigure("share", "lower", "requests lost because their gateway's region was down", refused_by=LOST),
    "network_s": StageFigure("s", "lower", "round trip between a request's user and its gateway, on average", column="network_s"),
}
USERS = {"region": lambda scenario, seed, users: region_of_users(scenario, seed, users)}


def names_of(scenario: Any) -> tuple[str, ...]:
    """The scenario's regions, those of users first."""
    regions, users = scenario.gateway.regions, scenario.workload.users
    of_users = () if users is None or users.regions is None else tuple(users.regions)
    of_providers = [provider.region for provider in scenario.providers.values() if provider.region is not None]
    named = chain(of_users, regions.gateways, of_providers, *(((one, *others) for one, others in regions.rtt.items())))
    return tuple(dict.fromkeys(named))


def region_of_users(scenario: Any, seed: int, users: np.ndarray) -> np.ndarray:
    """Of each user, by its number."""
    if scenario.gateway.regions is None or scenario.workload.users is None or scenario.workload.users.regions is None:
        return np.zeros(len(users), np.int16)
    shares = np.cumsum(list(scenario.workload.users.regions.values()))
    return np.searchsorted(shares / shares[-1], uniforms(seed, Purpose.REGION, users)).astype(np.int16)


def check(scenario: Any) -> Iterator[Finding]:
    regions, users = scenario.gateway.regions, scenario.workload.users
    shares = None if users is None else users.regions
    if shares is not None and abs(sum(shares.values()) - 1.0) > 1e-6:
        yield Finding(("workload", "users", "regions"), f"the shares sum to {sum(shares.values()):g}", "let them sum to 1")
    if regions is None:
        if shares is not None:
            yield Finding(("workload", "users", "regions"), "there are no gateways in regions", "add gateway.regions: {gateways: […]}")
        for index, _ in outages(scenario):
            yield Finding(("faults", index, "region"), "there are no regions", "add gateway.regions: {gateways: […]}")
        return
    if scenario.gateway.autoscale is not None and outages(scenario):
        message = "workers that are scaled belong to no region, which could take them along"
        yield Finding(("gateway", "autoscale"), message, "leave autoscale out, or the outages of regions")
    names = names_of(scenario)
    for one in names:
        for other in names:
            if (
                one < other
                and one not in regions.rtt.get(other, {})
                and other not in regions.rtt.get(one, {})
                and matters(scenario, one, other)
            ):
                yield Finding(("gateway", "regions", "rtt"), f"how far is it from {one} to {other}?", f"write {one}: {{{other}: 80ms}}")
    for index, fault in outages(scenario):
        if fault.region not in names:
            yield Finding(("faults", index, "region"), f"no region is called {fault.region!r}", f"there are {', '.join(names)}")
        if fault.every is not None:
            yield Finding(("faults", index, "every"), "the outage of a region is continuous", "write a fault for each")


def outages(scenario: Any) -> list[tuple[int, Any]]:
    """The outages of regions among the faults, with their places."""
    return [(index, fault) for index, fault in enumerate(scenario.faults) if fault.kind == "region-outage"]


def matters(scenario: Any, one: str, other: str) -> bool:
    """Whether anybody goes from one region to another: a gateway stands in one of them."""
    return bool({one, other} & set(scenario.gateway.regions.gateways))


def build(scenario: Any, seed: int) -> Any:
    regions = scenario.gateway.regions
    if regions is None:
        return None
    struck = [fault for _, fault in outages(scenario) if fault.region in regions.gateways]
    return State(len(regions.gateways), len(struck), regions.failover, regions.detect, scenario.gateway.workers)


def seats(scenario: Any, s: Any) -> Keyed:
    names = names_of(scenario)
    return Keyed(s.gateways, Seat, [Seat(names.index(name)) for name in scenario.gateway.regions.gateways])


def region_outages(scenario: Any, s: Any) -> Keyed:
    names, gateways = names_of(scenario), scenario.gateway.regions.gateways
    rows = [
        Outage(names.index(fault.region), fault.at, fault.at + fault.for_) for _, fault in outages(scenario) if fault.region in gateways
    ]
    return Keyed(max(1, len(rows)), Outage, rows)


def trips(scenario: Any, s: Any) -> Keyed:
    """Seconds of the round trip from each region to each."""
    return Keyed(len(names_of(scenario)), lambda: [0.0] * len(names_of(scenario)), distances(scenario))


def distances(scenario: Any) -> list[list[float]]:
    names, regions = names_of(scenario), scenario.gateway.regions

    def trip_s(one: str, other: str) -> float:
        if one == other:
            return float(regions.within)
        return float(regions.rtt.get(one, {}).get(other, regions.rtt.get(other, {}).get(one, 0.0)))

    return [[trip_s(one, other) for other in names] for one in names]


TABLES = (seats, region_outages, trips)


def is_down(g: Any, region: int, now_s: float) -> bool:
    for number in range(g.regions.outages):
        outage = g.region_outages[number]
        if outage.region == region and outage.at_s <= now_s < outage.until_s:
            return True
    return False


def went_down(g: Any, region: int, since_s: float, now_s: float) -> bool:
    """Whether an outage of the region has begun since then."""
    for number in range(g.regions.outages):
        outage = g.region_outages[number]
        if outage.region == region and since_s < outage.at_s <= now_s:
            return True
    return False


def nearest_gateway(g: Any, region: int, now_s: float) -> int:
    """The region of the nearest gateway that is not known to be down; of the nearest of all, if all are, or nobody looks."""
    best, best_up = g.seats[0].region, NOBODY
    for number in range(g.regions.gateways):
        there = g.seats[number].region
        if g.trips[region][there] < g.trips[region][best]:
            best = there
        known_up = not is_down(g, there, now_s - g.regions.detect_s)
        if known_up and (best_up == NOBODY or g.trips[region][there] < g.trips[region][best_up]):
            best_up = there
    return int(best_up if g.regions.failover and best_up != NOBODY else best)


def enter(g: Any, c: Any, now_s: float) -> int:
    there = nearest_gateway(g, c.region, now_s)
    c.gateway_region, c.came_s = there, now_s
    if is_down(g, there, now_s):
        c.refused_by = LOST
        return ERROR
    trip_s = g.trips[c.region][there]
    if trip_s <= 0.0:
        return CONTINUE
    c.until_s = now_s + trip_s
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    c.network_s = now_s - c.came_s
    return CONTINUE


def hold(g: Any, c: Any, now_s: float) -> int:
    """What was inside a gateway that went down never comes back."""
    if c.outcome != ERROR and went_down(g, c.gateway_region, c.came_s, now_s):
        c.refused_by = LOST
        return ERROR
    return c.outcome


def tick(g: Any, now_s: float) -> float:
    """Regions go down and come back, and their workers with them."""
    s, next_s = g.regions, inf
    for number in range(s.outages):
        outage = g.region_outages[number]
        if outage.at_s == now_s or outage.until_s == now_s:
            note(g, now_s, MOVED, outage.region, DOWN if outage.at_s == now_s else UP)
            resized(g, workers_up(g, now_s), now_s)
        if outage.at_s > now_s:
            next_s = min(next_s, outage.at_s)
        elif outage.until_s > now_s:
            next_s = min(next_s, outage.until_s)
    return next_s


def workers_up(g: Any, now_s: float) -> int:
    up = 0
    for number in range(g.regions.gateways):
        if not is_down(g, g.seats[number].region, now_s):
            up += 1
    return int(g.regions.workers * up // g.regions.gateways)
