"""Routing: in which order may a call try its targets? Those whose health forbids a call are left out."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from sim.data.outcomes import OK
from sim.gateway.call import CONTINUE
from sim.gateway.hooks import permits, trip_s
from sim.kernel.containers import NOBODY, Keyed
from sim.kernel.random import root_of, uniform_below, uniform_of
from sim.kernel.state import Short, Wide, state
from sim.scenario.errors import did_you_mean
from sim.scenario.finding import Finding
from sim.scenario.targets import target_names
from sim.scenario.tree import Steps
from sim.scenario.units import Seconds
from sim.scenario.values import Duration, Model, Name, Target

KINDS = ("round-robin", "least-busy", "cheapest", "fastest", "weighted", "capability", "nearest")
ROUND_ROBIN, LEAST_BUSY, CHEAPEST, FASTEST, WEIGHTED, CAPABILITY, NEAREST = range(7)
WEIGHTS = 62  # purpose of the draws
SMOOTHING = 0.1
DEFAULT = "default"  # the capability of a request class that needs nothing


class Pool(Model):
    """Targets that can all serve any call."""

    kind: Literal["round-robin", "least-busy", "cheapest", "fastest", "nearest"] = Field(
        description="round-robin: in turn; least-busy: fewest calls in flight; cheapest: by this call's tokens and the answers' length so "
        "far; fastest: by smoothed latency; nearest: by the round trip from the call's gateway, with gateway.regions"
    )
    models: Annotated[tuple[Target, ...], Field(min_length=1, max_length=100)] = Field(description="the targets, provider/model")
    memory: Duration = Field(
        Seconds(30.0), description="fastest: a latency not seen again fades with this time constant, so that a slow target is tried again"
    )


class Weighted(Model):
    """A random target for each call."""

    kind: Literal["weighted"]
    weights: dict[Target, Annotated[float, Field(ge=0)]] = Field(description="share of the calls that each target gets, in any unit")


class Capability(Model):
    """Every other key is a capability, with its targets in order of preference."""

    FREE_KEYS: ClassVar[str] = "capabilities"
    kind: Literal["capability"]
    capabilities: Annotated[dict[Name, Annotated[tuple[Target, ...], Field(min_length=1)]], Field(min_length=1)] = Field(
        description="targets by what a request class `needs`"
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        (targets,) = schema["properties"]["capabilities"]["patternProperties"].values()
        return schema | {"required": ["kind"], "additionalProperties": targets}

    @model_validator(mode="before")
    @classmethod
    def gather(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        named = raw["capabilities"] if raw.keys() == {"kind", "capabilities"} else {key: raw[key] for key in raw if key != "kind"}
        if isinstance(named, dict):  # tuples, because strict validation takes no lists here
            named = {key: tuple(targets) if isinstance(targets, list) else targets for key, targets in named.items()}
        return {"kind": raw.get("kind"), "capabilities": named}


Routing = Annotated[Pool | Weighted | Capability, Field(discriminator="kind")]


class Config(Model):
    routing: Routing = Field(description="which target a call is sent to, and which ones follow")


@state
class State:
    kind: int
    targets: int  # of the scenario
    memory_s: float
    root: Wide  # of the draws
    turn: int = 0
    answer_tokens: float = 256.0  # smoothed length of the answers so far


@state
class Request:
    needs: Short = 0  # the pool it may be sent to


@state
class Call:
    shift: Short = 0  # its order is that of the pool from this place on
    candidates: Short = 0  # g.orders[slot][: candidates] are the targets it may try, in this order
    aim: Short = NOBODY  # the one it is sent to next


def check(scenario: Any) -> Iterator[Finding]:
    if scenario.gateway.routing.kind == "nearest" and scenario.gateway.regions is None:
        yield Finding(("gateway", "routing", "kind"), "nothing is near or far", "add gateway.regions, and the providers' region")
    if getattr(scenario.gateway.routing, "memory", 1.0) == 0:
        yield Finding(("gateway", "routing", "memory"), "expected a duration above zero", "leave it out for 30s")
    yield from routes_lead_somewhere(scenario)
    yield from needs_are_met(scenario)
    yield from all_is_of_use(scenario)


def routes_lead_somewhere(scenario: Any) -> Iterator[Finding]:
    routing, known = scenario.gateway.routing, target_names(scenario)
    here: Steps = ("gateway", "routing")
    if routing.kind == "weighted":
        listed = [((*here, "weights", target), target) for target in routing.weights]
        if not any(routing.weights.values()):
            yield Finding((*here, "weights"), "expected at least one weight above zero")
    elif routing.kind == "capability":
        listed = [((*here, name, index), target) for name, targets in routing.capabilities.items() for index, target in enumerate(targets)]
    else:
        listed = [((*here, "models", index), target) for index, target in enumerate(routing.models)]
    for path, target in listed:
        if target not in known:
            hint = did_you_mean(target, known) or f"the providers have {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
            yield Finding(path, f"no provider has the target {target!r}", hint)


def needs_are_met(scenario: Any) -> Iterator[Finding]:
    routing = scenario.gateway.routing
    if routing.kind != "capability":
        return
    for index, each in enumerate(scenario.workload.requests):
        here: Steps = ("workload", "requests", index)
        if each.needs is None and DEFAULT not in routing.capabilities:
            hint = f"add `needs` with one of {', '.join(routing.capabilities)}, or a capability called default"
            yield Finding(here, f"request class {each.name!r} needs nothing, so capability routing has no target for it", hint)
        elif each.needs is not None and each.needs not in routing.capabilities:
            hint = did_you_mean(each.needs, routing.capabilities) or f"the routing has {', '.join(routing.capabilities)}"
            yield Finding((*here, "needs"), f"the routing has no capability {each.needs!r}", hint)


def all_is_of_use(scenario: Any) -> Iterator[Finding]:
    """What the routing says, and what the providers have, changes something."""
    gateway, classes = scenario.gateway, scenario.workload.requests
    routing, here = gateway.routing, ("gateway", "routing")
    if routing.kind in KINDS[:3] and routing.memory != Pool.model_fields["memory"].default:
        yield Finding((*here, "memory"), f"{routing.kind} does not go by latency: only fastest reads it", "leave it out", warning=True)
    if routing.kind != "capability":
        for index, each in enumerate(classes):
            if each.needs is not None:
                message = f"{routing.kind} routing gives each request the same targets, whatever it needs"
                yield Finding(("workload", "requests", index, "needs"), message, "use kind: capability, or leave it out", warning=True)
    pools = list(pools_of(scenario).values())
    reached = {target for each in classes for target in pools[pool_of(scenario, each.needs)]} | {getattr(gateway.context, "model", None)}
    for name, provider in scenario.providers.items():
        if not any(f"{name}/{model}" in reached for model in provider.models):
            message = "no route leads here: no request class is ever sent to one of its models"
            yield Finding(("providers", name), message, "add its models to gateway.routing, or leave it out", warning=True)
    if "next-provider" in gateway.fallback and all(len(pool) == 1 for pool in pools):
        path = ("gateway", "fallback", gateway.fallback.index("next-provider"))
        where = "the pool has" if len(pools) == 1 else "each capability has"
        yield Finding(path, f"next-provider has nowhere to go: {where} one target", "add a second target to the routing", warning=True)
    stated = "fallback" in gateway.model_fields_set or "to" in gateway.retry.model_fields_set
    if not stated and any(len({target.split("/", 1)[0] for target in pool}) > 1 for pool in pools):
        message = "targets of several providers, and none is tried when another one fails"
        yield Finding(here, message, "write fallback: [next-provider]; or fallback: [], if that is meant", warning=True)


def pools_of(scenario: Any) -> dict[str, tuple[str, ...]]:
    """The pools by what a class needs; one pool for all where the routing knows no capabilities."""
    routing = scenario.gateway.routing
    if routing.kind == "capability":
        return dict(routing.capabilities)
    return {"": tuple(routing.weights) if routing.kind == "weighted" else routing.models}


def pool_of(scenario: Any, needs: str | None) -> int:
    """The number of the pool for what a request needs, ``default`` if it needs nothing; the first one where there is none of that name."""
    names, wanted = list(pools_of(scenario)), DEFAULT if needs is None else needs
    return names.index(wanted) if wanted in names else 0


CLASS = {"needs": lambda scenario, each: pool_of(scenario, each.needs)}


def build(scenario: Any, seed: int) -> Any:
    routing = scenario.gateway.routing
    return State(KINDS.index(routing.kind), len(target_names(scenario)), getattr(routing, "memory", 30.0), root_of(seed, WEIGHTS))


def pools(scenario: Any, s: Any) -> Keyed:
    """The targets of each pool, as many places as there are targets."""
    numbers = {name: number for number, name in enumerate(target_names(scenario))}
    rows = [[numbers[name] for name in names] for names in pools_of(scenario).values()]
    return Keyed(len(rows), list, [row + [NOBODY] * (s.targets - len(row)) for row in rows])


def pool_sizes(scenario: Any, s: Any) -> Keyed:
    return Keyed(len(pools_of(scenario)), PoolSize, [PoolSize(len(names)) for names in pools_of(scenario).values()])


@state
class PoolSize:
    targets: int = 0


def weights(scenario: Any, s: Any) -> Keyed:
    """The weights of the only pool, by place."""
    routing = scenario.gateway.routing
    known = list(routing.weights.values()) if routing.kind == "weighted" else []
    return Keyed(s.targets, Weight, [Weight(weight) for weight in known])


@state
class Weight:
    weight: float = 0.0


def orders(scenario: Any, s: Any) -> Keyed:
    return Keyed("slot", lambda: [NOBODY] * s.targets)


TABLES = (pools, pool_sizes, weights, orders)


def enter(g: Any, c: Any, now_s: float) -> int:
    arrange(g, c, 0, now_s)
    return CONTINUE


def arrange(g: Any, c: Any, choice: int, now_s: float) -> None:
    """Put the targets that the call may be sent to in order; ``choice``: how often that has been done for it."""
    s, pool, size, order = g.route, g.pools[c.needs], g.pool_sizes[c.needs].targets, g.orders[c.slot]
    shift = 0
    if s.kind == ROUND_ROBIN:
        shift = s.turn % size
        s.turn += 1
    elif s.kind == WEIGHTED:
        shift = place_by_weight(g.weights, size, uniform_of(s.root, c.request) if choice == 0 else uniform_below(s.root, c.request, choice))
    count = 0
    for place in range(size):
        target = pool[(place + shift) % size]
        if permits(g, target, now_s):
            order[count] = target
            count += 1
    c.shift, c.candidates = shift, count
    if count > 1 and (s.kind == LEAST_BUSY or s.kind == CHEAPEST or s.kind == FASTEST or s.kind == NEAREST):
        sort_by_score(g, c, order, count, now_s)


def leave(g: Any, c: Any, now_s: float) -> None:
    if c.outcome == OK:
        g.route.answer_tokens += SMOOTHING * (c.output_tokens - g.route.answer_tokens)


def place_by_weight(weights: Any, size: int, draw: float) -> int:
    """The place in the pool that ``draw``, uniform in (0, 1), falls on."""
    total = 0.0
    for place in range(size):
        total += weights[place].weight
    left, last = draw * total, 0
    for place in range(size):
        if weights[place].weight > 0.0:
            last = place
        left -= weights[place].weight
        if left < 0:
            return place
    return last  # reached by rounding only


def sort_by_score(g: Any, c: Any, order: Any, count: int, now_s: float) -> None:
    """Lowest score first; the pool's own order among equals."""
    for place in range(1, count):
        target = order[place]
        own = score(g, c, target, now_s)
        while place > 0 and score(g, c, order[place - 1], now_s) > own:
            order[place] = order[place - 1]
            place -= 1
        order[place] = target


def score(g: Any, c: Any, number: int, now_s: float) -> float:
    s, target = g.route, g.targets[number]
    if s.kind == LEAST_BUSY:
        return float(target.in_flight)
    if s.kind == CHEAPEST:
        return float(c.input_tokens * target.input_usd + s.answer_tokens * target.output_usd)
    if s.kind == NEAREST:
        return trip_s(g, c, number)
    return target.latency_s * exp((target.measured_s - now_s) / s.memory_s)
