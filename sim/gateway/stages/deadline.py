"""The total timeout: all that a call does, waiting and retries included, ends by then. The stages below keep to ``c.deadline_s``."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any, ClassVar

from pydantic import Field

from sim.data.outcomes import TIMEOUT
from sim.gateway.call import CONTINUE
from sim.kernel.state import state
from sim.scenario.finding import Finding
from sim.scenario.values import Duration, Model


class Timeout(Model):
    """The gateway's own timeouts."""

    SHORT: ClassVar[str] = "total"
    first_token: Duration | None = Field(None, description="of one attempt, to its first content; default: none")
    attempt: Duration | None = Field(None, description="of one attempt, to its end; default: none")
    total: Duration | None = Field(None, description="of the whole request, from its arrival at the gateway; default: none")


class Config(Model):
    timeout: Timeout = Field(Timeout(), description="how long the gateway waits for providers")


@state
class State:
    total_s: float


@state
class Call:
    deadline_s: float = inf


def check(scenario: Any) -> Iterator[Finding]:
    timeout = scenario.gateway.timeout
    for name in ("first_token", "attempt", "total"):
        if getattr(timeout, name) == 0:
            yield Finding(("gateway", "timeout", name), "expected a duration above zero", "leave it out for no timeout")
    for shorter, longer in (("first_token", "attempt"), ("first_token", "total"), ("attempt", "total")):
        value, most = getattr(timeout, shorter), getattr(timeout, longer)
        if value is not None and most is not None and value > most:
            yield Finding(("gateway", "timeout", shorter), f"expected at most timeout.{longer} ({most:g}s), found {value:g}s")


def build(scenario: Any, seed: int) -> Any:
    total = scenario.gateway.timeout.total
    if total is None and scenario.gateway.jobs is None:  # whose lifetime is a deadline, too
        return None
    return State(inf if total is None else total)


def enter(g: Any, c: Any, now_s: float) -> int:
    c.deadline_s = c.arrival_s + g.deadline.total_s
    return TIMEOUT if now_s >= c.deadline_s else CONTINUE
