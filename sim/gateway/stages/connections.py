"""Connection pools, one for each provider: an attempt holds a connection, which it takes over from another one or has set up.

With HTTP/1.1 a connection carries one request at a time. As in aiohttp's connector and httpcore's pool, calls beyond ``max`` wait first
come, first served; the connection that has been idle for longest is used first; one whose attempt was cancelled, timed out or broke off is
closed, as are those idle for longer than ``idle`` and those beyond ``keep``. A call that waits in vain (httpx: PoolTimeout) was never sent:
it is retried and fails over like an attempt that timed out, but tells breakers and ejection nothing. A summary's own call takes no part.
A real gateway has real connections: there only ``max`` and ``wait`` are decided here.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from sim.data.outcomes import REJECTED, TIMEOUT
from sim.data.statuses import NO_CONNECTION
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.hooks import whole
from sim.kernel.containers import Keyed, Line, append, remove, take_first, wake
from sim.kernel.refusals import refusal
from sim.kernel.state import Short, state
from sim.scenario.finding import Finding
from sim.scenario.metric_names import StageFigure
from sim.scenario.targets import target_names
from sim.scenario.units import Seconds
from sim.scenario.values import Count, Duration, Model

NO_FREE_CONNECTION = refusal("connection pool")
MOST_KEPT = 10_000


class Connections(Model):
    """A pool of connections to each provider, of all workers together; the defaults are aiohttp's, but for its limit of 100."""

    SHORT: ClassVar[str] = "max"
    max: Count | Literal["unlimited"] = Field(
        "unlimited", description="connections to a provider; what needs one more waits (httpx and aiohttp: 100; OpenAI's SDK: 1000)"
    )
    wait: Duration | None = Field(
        None, description="an attempt that waits for a connection for longer fails; default: none (httpx: 5s; OpenAI's SDK: 10m)"
    )
    keep: Annotated[int, Field(ge=0, le=MOST_KEPT)] | None = Field(
        None, description=f"idle connections kept (httpx: 20; OpenAI's SDK: 100); default: all, up to {MOST_KEPT:,}"
    )
    idle: Duration = Field(Seconds(15.0), description="a connection idle for longer is closed (aiohttp: 15s; httpx: 5s)")
    setup: Duration = Field(
        Seconds(0.0), description="to set up a new connection: TCP and TLS 1.3 take two round trips (RFC 8446), so twice the provider's rtt"
    )


class Config(Model):
    connections: Connections | None = Field(
        None, description="a pool of connections to each provider; default: as many as are needed, at no cost"
    )


@state
class State:
    most: float  # connections of a pool
    wait_s: float
    keep: int
    idle_s: float
    setup_s: float
    on_sockets: bool = False  # what is idle, and what has to be set up, are real connections: not counted here


@state
class Pool:
    """``idle`` places of the ring ``idle_since`` are taken, from ``oldest`` on: connections in the order in which they became idle."""

    held: int = 0
    idle: int = 0
    oldest: int = 0


@state
class Membership:
    pool: int = 0


@state
class Call:
    in_pool_line: bool = False
    connected: bool = False  # it holds a connection, or has one set up
    connecting: bool = False
    pool_since_s: float = 0.0  # since when it has waited, or has had it set up
    pool_wait_s: float = 0.0
    connect_s: float = 0.0
    new_connections: Short = 0
    pool_timeouts: Short = 0


OPTIONAL = True
COLUMNS = {
    "pool_wait_s": ("f8", "waiting for connections to providers"),
    "connect_s": ("f8", "setting up connections to providers"),
    "new_connections": ("i2", "set up for its attempts"),
    "pool_timeouts": ("i2", "attempts that got no connection in time"),
}
PARTS = {"pool_wait_s": "connection pool", "connect_s": "connection set-up"}
FIGURES = {
    "pool_wait_s": StageFigure("s", "lower", "waiting for connections to providers, on average over all requests", column="pool_wait_s"),
    "connect_s": StageFigure("s", "lower", "setting up connections to providers, on average over all requests", column="connect_s"),
    "new_connections": StageFigure("attempts", "lower", "attempts over a new connection, per request", column="new_connections"),
    "pool_timeouts": StageFigure("attempts", "lower", "attempts that got no connection in time, per request", column="pool_timeouts"),
}


def check(scenario: Any) -> Iterator[Finding]:
    connections = scenario.gateway.connections
    if connections is None:
        return
    here = ("gateway", "connections")
    if connections.max == "unlimited" and connections.wait is not None:
        message = "nothing waits for a connection: there is no limit on them"
        yield Finding((*here, "wait"), message, "write max: 100, say", warning=True)
    if connections.max != "unlimited" and connections.keep is not None and connections.keep > connections.max:
        yield Finding((*here, "keep"), f"there are never more than max: {connections.max:,}", f"keep: {connections.max}", warning=True)
    if connections.setup == 0.0:
        for name in ("keep", "idle"):
            if name in connections.model_fields_set:
                message = "a new connection costs nothing: it does not matter how many are kept, or for how long"
                yield Finding((*here, name), message, "write setup: 100ms, say", warning=True)


def build(scenario: Any, seed: int) -> Any:
    config = scenario.gateway.connections
    if config is None:
        return None
    most = inf if config.max == "unlimited" else float(config.max)
    keep = MOST_KEPT if config.keep is None else config.keep
    return State(most, inf if config.wait is None else config.wait, int(min(most, keep)), config.idle, config.setup)


def connection_pools(scenario: Any, s: Any) -> Keyed:
    return Keyed(len(scenario.providers), Pool)


def pool_lines(scenario: Any, s: Any) -> Keyed:
    """The calls that wait for a connection, of each pool."""
    return Keyed(len(scenario.providers), Line)


def idle_since(scenario: Any, s: Any) -> Keyed:
    """When the idle connections of each pool became so; never empty, because compiled code knows its numbers by one."""
    return Keyed(len(scenario.providers), lambda: [0.0] * max(1, s.keep))


def pool_of_target(scenario: Any, s: Any) -> Keyed:
    providers = list(scenario.providers)
    rows = [Membership(providers.index(target.split("/", 1)[0])) for target in target_names(scenario)]
    return Keyed(len(rows), Membership, rows)


TABLES = (connection_pools, pool_lines, idle_since, pool_of_target)


def enter(g: Any, c: Any, now_s: float) -> int:
    number = g.pool_of_target[c.aim].pool
    if g.connection_pools[number].held < g.connections.most:
        g.connection_pools[number].held += 1
        return connect(g, c, number, now_s)
    append(g.calls, g.pool_lines[number], c.slot)
    c.in_pool_line, c.pool_since_s = True, now_s
    c.until_s = min(now_s + g.connections.wait_s, c.deadline_s)
    return WAIT


def connect(g: Any, c: Any, number: int, now_s: float) -> int:
    """On with an idle connection, or once a new one is set up."""
    s = g.connections
    c.connected = True
    if s.on_sockets or take_idle(g, number, now_s):
        return CONTINUE
    whole(g, c).new_connections += 1
    if s.setup_s <= 0.0:
        return CONTINUE
    c.connecting, c.pool_since_s = True, now_s
    c.until_s = min(now_s + s.setup_s, c.deadline_s)
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    if c.connecting:
        connecting_ends(c, now_s)
        return no_connection(g, c, TIMEOUT) if now_s >= c.deadline_s else CONTINUE
    if c.connected:
        return connect(g, c, g.pool_of_target[c.aim].pool, now_s)
    c.refused_by = NO_FREE_CONNECTION
    return no_connection(g, c, TIMEOUT if now_s >= c.deadline_s else REJECTED)


def no_connection(g: Any, c: Any, outcome: int) -> int:
    """The attempt failed before it was sent; its target is the one that it was meant for."""
    c.status, c.retry_after_s = NO_CONNECTION, nan
    whole(g, c).target = c.aim
    whole(g, c).pool_timeouts += 1
    return outcome


def connecting_ends(c: Any, now_s: float) -> None:
    c.connecting = False
    c.connect_s += now_s - c.pool_since_s


def leave(g: Any, c: Any, now_s: float) -> None:
    number = g.pool_of_target[c.aim].pool
    if c.in_pool_line:
        remove(g.calls, g.pool_lines[number], c.slot)
        waiting_ends(c, now_s)
    if c.connecting:
        connecting_ends(c, now_s)
    if c.connected:
        c.connected = False
        give_back(g, number, c.status > 0, now_s)


def give_back(g: Any, number: int, is_whole: bool, now_s: float) -> None:
    """A connection is free: it is kept for the next attempt if its last one came to an end, and the first in line may go on."""
    pool, line = g.connection_pools[number], g.pool_lines[number]
    if is_whole and not g.connections.on_sockets:
        put_idle(g, number, now_s)
    if line.length > 0:
        following = g.calls[take_first(g.calls, line)]
        waiting_ends(following, now_s)
        following.connected = True
        wake(g, following)
    else:
        pool.held -= 1


def waiting_ends(c: Any, now_s: float) -> None:
    c.in_pool_line = False
    c.pool_wait_s += now_s - c.pool_since_s


def put_idle(g: Any, number: int, now_s: float) -> None:
    s, pool = g.connections, g.connection_pools[number]
    while pool.idle > 0 and now_s - g.idle_since[number][pool.oldest] > s.idle_s:
        drop_oldest(s, pool)
    if pool.idle < s.keep:
        g.idle_since[number][(pool.oldest + pool.idle) % s.keep] = now_s
        pool.idle += 1


def take_idle(g: Any, number: int, now_s: float) -> bool:
    """Whether there was an idle connection, which is idle no more."""
    s, pool = g.connections, g.connection_pools[number]
    while pool.idle > 0:
        since_s = g.idle_since[number][pool.oldest]
        drop_oldest(s, pool)
        if now_s - since_s <= s.idle_s:
            return True
    return False


def drop_oldest(s: Any, pool: Any) -> None:
    pool.idle -= 1
    pool.oldest = pool.oldest + 1 if pool.oldest + 1 < s.keep else 0
