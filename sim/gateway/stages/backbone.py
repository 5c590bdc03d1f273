"""The network between a call's gateway and its provider: the round trip between their regions, before every attempt.

It comes on top of the provider's own ``rtt``. A deadline that passes meanwhile ends the attempt before it begins.
"""

from __future__ import annotations

from typing import Any

from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.stages.regions import distances, names_of
from sim.kernel.containers import NOBODY, Keyed
from sim.kernel.state import state

OPTIONAL = True


@state
class State:
    targets: int


@state
class Call:
    backbone_since_s: float = 0.0
    backbone_s: float = 0.0


COLUMNS = {"backbone_s": ("f8", "round trips between its gateway and its providers")}
PARTS = {"backbone_s": "network to the provider"}


def build(scenario: Any, seed: int) -> Any:
    if scenario.gateway.regions is None or all(provider.region is None for provider in scenario.providers.values()):
        return None
    return State(sum(len(provider.models) for provider in scenario.providers.values()))


def target_trips(scenario: Any, s: Any) -> Keyed:
    """Seconds of the round trip from each region to each target; none to a provider that stands in no region."""
    names, between = names_of(scenario), distances(scenario)
    places = [
        NOBODY if provider.region is None else names.index(provider.region)
        for provider in scenario.providers.values()
        for _ in provider.models
    ]
    rows = [[0.0 if place == NOBODY else row[place] for place in places] for row in between]
    return Keyed(len(rows), lambda: [0.0] * s.targets, rows)


TABLES = (target_trips,)


def trip_s(g: Any, c: Any, target: int) -> float:
    return float(g.target_trips[c.gateway_region][target])


def enter(g: Any, c: Any, now_s: float) -> int:
    until_s = now_s + trip_s(g, c, c.aim)
    if until_s <= now_s:
        return CONTINUE
    c.backbone_since_s, c.until_s = now_s, min(until_s, c.deadline_s)
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    c.backbone_s += now_s - c.backbone_since_s
    return CONTINUE
