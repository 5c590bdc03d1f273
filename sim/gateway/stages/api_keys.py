"""API keys: calls to a target take the provider's keys in turn, without those that were refused lately."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from sim.gateway.call import CONTINUE
from sim.kernel.containers import NOBODY, Keyed
from sim.kernel.state import state
from sim.scenario.finding import Finding
from sim.scenario.targets import target_names
from sim.scenario.units import Seconds
from sim.scenario.values import Duration, Model


class ApiKeys(Model):
    """A key that a provider refuses is left out for a while, as long as another one is left."""

    cool_down: Duration = Field(Seconds(60.0), description="how long a refused key is left out")
    on: Annotated[tuple[Literal["auth", "rate-limit"], ...], Field(max_length=2)] = Field(
        ("auth",), description="answers that say so of a key: auth (401, 402, 403), rate-limit (429)"
    )


class Config(Model):
    api_keys: ApiKeys = Field(ApiKeys(), description="how the provider's keys are chosen")


@state
class State:
    cool_down_s: float
    on_auth: bool
    on_rate_limit: bool


@state
class Ring:
    """The keys of one target's provider; ``turn`` is the next one."""

    first: int = 0  # its place in g.key_health
    keys: int = 1
    turn: int = 0


@state
class KeyHealth:
    cool_until_s: float = 0.0


@state
class Call:
    key: int = NOBODY  # used for the last attempt, an index into the provider's keys


COLUMNS = {"key": ("i2", "of the provider's pool, used for the last attempt; -1 none")}


def check(scenario: Any) -> Iterator[Finding]:
    if scenario.gateway.api_keys != ApiKeys() and all(provider.keys == 1 for provider in scenario.providers.values()):
        message = "every provider has one key, which is never left out"
        yield Finding(("gateway", "api_keys"), message, "give a provider more: keys: 2", warning=True)


def build(scenario: Any, seed: int) -> Any:
    config = scenario.gateway.api_keys
    return State(config.cool_down, "auth" in config.on, "rate-limit" in config.on)


def key_rings(scenario: Any, s: Any) -> Keyed:
    first, rings = {}, []
    total = 0
    for name, provider in scenario.providers.items():
        first[name] = total
        total += provider.keys
    for target in target_names(scenario):
        provider = target.split("/", 1)[0]
        rings.append(Ring(first[provider], scenario.providers[provider].keys))
    return Keyed(len(rings), Ring, rings)


def key_health(scenario: Any, s: Any) -> Keyed:
    return Keyed(sum(provider.keys for provider in scenario.providers.values()), KeyHealth)


TABLES = (key_rings, key_health)


def enter(g: Any, c: Any, now_s: float) -> int:
    c.key = take_key(g, c.aim, now_s)
    return CONTINUE


def take_key(g: Any, target: int, now_s: float) -> int:
    """The next key of a target that is not left out."""
    ring = g.key_rings[target]
    key = ring.turn
    for _ in range(ring.keys - 1):
        if g.key_health[ring.first + key].cool_until_s <= now_s:
            break
        key = key + 1 if key + 1 < ring.keys else 0
    if g.key_health[ring.first + key].cool_until_s > now_s:
        key = ring.turn  # all are out: as if none were
    ring.turn = key + 1 if key + 1 < ring.keys else 0
    return int(key)


def leave(g: Any, c: Any, now_s: float) -> None:
    s = g.api_keys
    if (s.on_auth and 401 <= c.status <= 403) or (s.on_rate_limit and c.status == 429):
        g.key_health[g.key_rings[c.aim].first + c.key].cool_until_s = now_s + s.cool_down_s
