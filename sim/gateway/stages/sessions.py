"""Sessions: what the gateway remembers of a conversation, and for how long. To look one up may take a while, and Redis may lose it."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any, ClassVar

from pydantic import Field

from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.hooks import ask
from sim.gateway.stages.redis import SESSION, Store, answered, held, in_redis, takes, without
from sim.kernel.containers import Keyed
from sim.kernel.state import Short, state
from sim.scenario.finding import Finding
from sim.scenario.units import Seconds
from sim.scenario.values import Duration, Durations, Model


class Sessions(Model):
    """The conversations' histories, kept by the gateway."""

    SHORT: ClassVar[str] = "store"
    store: Store = Field(
        "memory", description="memory: of each gateway process; redis: one that the target starts; redis://host:port/db: one that runs"
    )
    ttl: Duration = Field(Seconds(1800.0), description="a conversation idle for longer starts again without its history")
    lookup: Durations | None = Field(None, description="time to look a session up; default: none in memory, redis.latency in Redis")


class Config(Model):
    sessions: Sessions | None = Field(
        None, description="what the gateway remembers of conversations; default: clients send their history along, and nothing is forgotten"
    )


@state
class State:
    ttl_s: float
    shared: bool = False  # kept in Redis


@state
class Conversation:
    seen_s: float = inf  # for the last time
    first_turn: Short = 0  # the first turn still remembered


@state
class Request:
    lookup_s: float = 0.0


@state
class Call:
    first_turn: Short = 0  # of its conversation that is still remembered


def lookup_law(scenario: Any) -> Any:
    """How long it takes to look a session up; None for at once."""
    sessions = scenario.gateway.sessions
    if sessions is None or sessions.lookup is not None or not in_redis(sessions):
        return None if sessions is None else sessions.lookup
    return scenario.gateway.redis.latency


DRAWS = {"lookup_s": (63, lookup_law)}


def check(scenario: Any) -> Iterator[Finding]:
    if scenario.gateway.sessions is not None and scenario.workload.conversations is None:
        message = "calls come in no conversations, so there is nothing to remember"
        yield Finding(("gateway", "sessions"), message, "add workload.conversations", warning=True)


def build(scenario: Any, seed: int) -> Any:
    sessions = scenario.gateway.sessions
    return None if sessions is None else State(sessions.ttl, in_redis(sessions))


def conversations(scenario: Any, s: Any) -> Keyed:
    return Keyed("conversation", Conversation, bounded=True)


TABLES = (conversations,)


def enter(g: Any, c: Any, now_s: float) -> int:
    if g.sessions.shared:
        return ask(g, c, SESSION, now_s)
    if c.lookup_s > 0.0:
        c.until_s = now_s + c.lookup_s
        return WAIT
    return woken(g, c, now_s)


def woken(g: Any, c: Any, now_s: float) -> int:
    """The conversation goes on where it is remembered from.

    One idle for longer than the lifetime, or lost by Redis, starts again at this turn. One never seen before is trusted with all the
    history that its client brings: it was under way before the gateway started.
    """
    s, conversation = g.sessions, g.conversations[c.conversation]
    if s.shared and not answered(g, c, now_s):
        c.first_turn = c.turn
        if c.turn == 0:
            conversation.seen_s = -inf  # it was never written
        return without(g, c)
    if now_s - conversation.seen_s > s.ttl_s or (
        s.shared and not held(g, 0.0 if conversation.seen_s == inf else conversation.seen_s, now_s)
    ):
        conversation.first_turn = c.turn
    conversation.seen_s = now_s
    c.first_turn = conversation.first_turn
    if s.shared and c.first_turn == c.turn and not takes(g, now_s):
        conversation.seen_s = -inf
    return CONTINUE
