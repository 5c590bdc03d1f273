"""Upstream: one attempt at one target. Here it is decided and judged; the driver performs it and leaves the attempt's facts on the call."""

from __future__ import annotations

from math import exp, inf, nan
from typing import Any

from pydantic import Field

from sim.data.outcomes import ERROR, OK, TIMEOUT
from sim.data.statuses import NOT_SENT, STREAMING, TIMED_OUT, UNDER_WAY
from sim.gateway.call import PERFORM, WAIT
from sim.kernel.containers import NOBODY, Keyed, wake
from sim.kernel.refusals import NOT_REFUSED
from sim.kernel.state import Short, Wide, state
from sim.provider.pricing import cached_prices, unit_prices
from sim.scenario.targets import target_names
from sim.scenario.values import Model

SMOOTHING = 0.1


class Config(Model):
    cancel_on_disconnect: bool = Field(
        True, description="a client that leaves cancels the work upstream; otherwise it goes on and is billed"
    )


@state
class State:
    first_token_timeout_s: float
    attempt_timeout_s: float


@state
class Target:
    """One provider/model as the gateway sees it. ``latency_s`` is smoothed over its answers; 0 until there is one, so that it is tried."""

    input_usd: float = 0.0  # per token
    output_usd: float = 0.0
    cached_saving_usd: float = 0.0  # per input token that comes from the provider's prompt cache
    in_flight: int = 0
    latency_s: float = 0.0
    measured_s: float = 0.0


@state
class Request:
    streams: bool = True  # its client reads the answer as it comes


@state
class Call:
    attempts: Short = 0
    attempt: Short = NOBODY  # number of the last one, from 0
    target: Short = NOBODY  # of the last one
    # facts of the last attempt, left by what performed it
    attempt_started_s: float = 0.0
    first_by_s: float = inf  # cut then if it has shown nothing, and in any case at:
    end_by_s: float = inf
    status: Short = NOT_SENT  # HTTP's, or of sim.data.statuses
    attempt_first_s: float = nan  # from its start to its first content
    attempt_s: float = 0.0
    retry_after_s: float = nan
    billed_tokens: Wide = 0
    produced_tokens: int = 0
    attempt_cached: Wide = 0
    attempt_refused_by: Short = NOT_REFUSED
    attempt_cost_usd: float = 0.0
    shows: bool = False  # it shows content now
    wins: bool = False  # nothing else may answer in its stead
    # of all attempts
    failed_s: float = 0.0
    first_token_s: float = nan
    generation_s: float = nan
    output_tokens: int = 0
    cost_usd: float = 0.0
    cached_tokens: Wide = 0


LATE = (  # written by every attempt before anything reads them
    "attempt", "attempt_started_s", "first_by_s", "end_by_s", "attempt_first_s", "attempt_s", "billed_tokens", "produced_tokens",
    "attempt_cached", "attempt_refused_by", "attempt_cost_usd",
)  # fmt: skip
COLUMNS = {
    "failed_s": ("f8", "spent in attempts that failed"),
    "first_token_s": ("f8", "of the last attempt, to its first content"),
    "generation_s": ("f8", "of the last attempt, from its first content to its end"),
    "attempts": ("i2", "sent to providers"),
    "target": ("i2", "of the last attempt, index into Run.targets; -1 none"),
    "output_tokens": ("i8", "that reached the client from a provider"),
    "cached_tokens": ("i8", "of the input of all attempts, read from the provider's prompt cache"),
    "cost_usd": ("f8", "of all its attempts"),
}
PARTS = {"failed_s": "failed attempts", "first_token_s": "first token", "generation_s": "generation"}
ATTEMPT_COLUMNS = {  # column of an attempt's row -> field of the call
    "request": "request", "attempt": "attempt", "target": "target", "key": "key", "prompt": "prompt", "occurrence": "occurrence",
    "started_s": "attempt_started_s", "first_token_s": "attempt_first_s", "duration_s": "attempt_s", "status": "status",
    "input_tokens": "billed_tokens", "output_tokens": "produced_tokens", "cached_tokens": "attempt_cached",
    "refused_by": "attempt_refused_by", "cost_usd": "attempt_cost_usd",
}  # fmt: skip


def build(scenario: Any, seed: int) -> Any:
    timeout = scenario.gateway.timeout
    return State(*(inf if limit_s is None else limit_s for limit_s in (timeout.first_token, timeout.attempt)))


def targets(scenario: Any, s: Any) -> Keyed:
    prices, cached = unit_prices(scenario), cached_prices(scenario)
    rows = []
    for name in target_names(scenario):
        input_usd, output_usd = prices[name]
        rows.append(Target(input_usd, output_usd, input_usd - cached.get(name, input_usd)))
    return Keyed(len(rows), Target, rows)


TABLES = (targets,)


def enter(g: Any, c: Any, now_s: float) -> int:
    g.targets[c.aim].in_flight += 1
    c.target = c.aim
    if c.parent == NOBODY:
        c.attempts += 1
    else:
        g.calls[c.parent].target = c.aim
    c.attempt = c.attempts - 1
    c.refused_by = NOT_REFUSED
    c.status = UNDER_WAY
    c.shows = c.wins = False
    c.attempt_started_s = now_s
    end_by_s = now_s + g.upstream.attempt_timeout_s
    c.first_by_s, c.end_by_s = now_s + g.upstream.first_token_timeout_s, end_by_s if end_by_s < c.deadline_s else c.deadline_s
    c.until_s = c.first_by_s if c.first_by_s < c.end_by_s else c.end_by_s
    return PERFORM


def woken(g: Any, c: Any, now_s: float) -> int:
    if c.status == STREAMING or c.status == UNDER_WAY:
        c.shows = c.status == STREAMING
        if c.shows and c.parent != NOBODY:
            wake(g, g.calls[c.parent])
        return WAIT
    content = c.attempt_first_s == c.attempt_first_s
    if content and c.streams:
        c.committed = True
        c.first_content_s = c.attempt_started_s + c.attempt_first_s
    elif c.status == 200:
        c.first_content_s = now_s
    if c.status != 200:
        c.failed_s += c.attempt_s
        return TIMEOUT if c.status == TIMED_OUT else ERROR
    c.first_token_s = c.attempt_first_s
    c.generation_s = c.attempt_s - c.attempt_first_s
    c.output_tokens = c.produced_tokens
    observe(g.targets[c.target], c.attempt_s, now_s, g.route.memory_s)
    return OK


def observe(target: Any, latency_s: float, now_s: float, memory_s: float) -> None:
    """Exponentially weighted moving average over answers. What is older than a fraction of ``memory_s`` weighs exp(-age / memory_s)."""
    weight, age_s = SMOOTHING, now_s - target.measured_s
    if age_s > SMOOTHING * memory_s:
        weight = max(SMOOTHING, 1.0 - exp(-age_s / memory_s))
    target.latency_s = latency_s if target.latency_s == 0.0 else target.latency_s + weight * (latency_s - target.latency_s)
    target.measured_s = now_s


def leave(g: Any, c: Any, now_s: float) -> None:
    g.targets[c.target].in_flight -= 1


def settle(g: Any, c: Any) -> None:
    """The attempt has ended, whoever ended it: its cost. Drivers call this before they write the attempt's row."""
    target = g.targets[c.target]
    c.attempt_cost_usd = (
        c.billed_tokens * target.input_usd + c.produced_tokens * target.output_usd - c.attempt_cached * target.cached_saving_usd
    )
    c.cost_usd += c.attempt_cost_usd
    c.cached_tokens += c.attempt_cached
