"""Circuit breakers, one for each target, with Resilience4j's semantics, state by state as in its ``CircuitBreakerStateMachine``.

Closed: every call is permitted; after ``minimum_calls`` results in the window it opens when the failure rate is **at least**
``failure_rate`` or the share of slow calls at least ``slow_rate``. Open: calls are refused until ``open_for_s`` has passed; the
first call asked for after that moves it to half-open. Half-open: ``half_open_calls`` are permitted, the rest refused; when that
many results are in (or ``minimum_calls``, if fewer), it opens or closes by the same rates. Results of earlier calls that arrive
meanwhile count too; while it is open they change nothing.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from sim.data.outcomes import ERROR
from sim.data.statuses import CANCELLED, NOT_SENT
from sim.gateway.call import CONTINUE
from sim.gateway.events import event
from sim.gateway.hooks import note
from sim.kernel.containers import Keyed
from sim.kernel.refusals import refusal
from sim.kernel.state import state
from sim.scenario.targets import target_names
from sim.scenario.values import Count, Duration, Model, Share

CLOSED, OPEN, HALF_OPEN = 0, 1, 2
STATES = ("closed", "open", "half-open")
MOVED = event("breaker", STATES)
IS_OPEN = refusal("breaker")
FAILED, SLOW = 1, 2

# What a preset fills in. resilience4j: CircuitBreakerConfig's defaults. polly: CircuitBreakerStrategyOptions (v8).
# hystrix: HystrixCommandProperties. The last two judge a rolling time window and let one probe through.
PRESETS: dict[str, dict[str, float | str]] = {
    "resilience4j": {
        "window": "count", "window_size": 100, "minimum_calls": 100, "failure_rate": 0.5, "slow_rate": 1.0, "slow_after": 60.0,
        "open_for": 60.0, "half_open_calls": 10,
    },
    "polly": {
        "window": "time", "window_size": 30, "minimum_calls": 100, "failure_rate": 0.1, "slow_rate": 1.0, "slow_after": inf,
        "open_for": 5.0, "half_open_calls": 1,
    },
    "hystrix": {
        "window": "time", "window_size": 10, "minimum_calls": 20, "failure_rate": 0.5, "slow_rate": 1.0, "slow_after": inf,
        "open_for": 5.0, "half_open_calls": 1,
    },
}  # fmt: skip


class Breaker(Model):
    """Resilience4j's names; ``preset`` fills what is not given, with resilience4j's, polly's (v8) or hystrix's defaults."""

    SHORT: ClassVar[str] = "preset"
    preset: Literal["resilience4j", "polly", "hystrix"] = Field(
        "resilience4j", description="the library whose defaults fill what is not given"
    )
    window: Literal["count", "time"] | None = Field(
        None, description="judge the last calls, or the last seconds; default: the preset's (count; polly and hystrix: time)"
    )
    window_size: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="calls, or seconds for a time window; default: the preset's (100; 30; 10)"
    )
    minimum_calls: Count | None = Field(
        None, description="results of calls needed before it may open; default: the preset's (100; 100; 20)"
    )
    failure_rate: Share | None = Field(None, description="opens from this share of failed calls on; default: the preset's (0.5; 0.1; 0.5)")
    slow_rate: Share | None = Field(None, description="opens from this share of slow calls on; default: the preset's (1)")
    slow_after: Duration | None = Field(None, description="a call that takes longer is slow; default: the preset's (60s; no call is)")
    open_for: Duration | None = Field(
        None, description="refuses all calls for so long, then tries a few; default: the preset's (60s; 5s; 5s)"
    )
    half_open_calls: Count | None = Field(None, description="calls let through on trial; default: the preset's (10; 1; 1)")


class Config(Model):
    breaker: Breaker | None = Field(None, description="a circuit breaker for each target; default: none")


@state
class State:
    timed: bool
    size: int
    minimum_calls: int
    failure_rate: float
    slow_rate: float
    slow_after_s: float
    open_for_s: float
    half_open_calls: int
    trips: int = 0


@state
class Circuit:
    state: int = CLOSED
    opened_s: float = 0.0
    permits: int = 0
    calls: int = 0
    failed: int = 0
    slow: int = 0
    place: int = 0  # in the ring
    second: int = 0  # of the newest bucket


@state
class Call:
    permitted: bool = False


def build(scenario: Any, seed: int) -> Any:
    config = scenario.gateway.breaker
    if config is None:
        return None
    values = PRESETS[config.preset] | config.model_dump(exclude_none=True, exclude={"preset"})
    timed, size, minimum = values["window"] == "time", int(values["window_size"]), int(values["minimum_calls"])
    return State(
        timed, size, minimum if timed else min(minimum, size), float(values["failure_rate"]), float(values["slow_rate"]),
        float(values["slow_after"]), float(values["open_for"]), int(values["half_open_calls"]),
    )  # fmt: skip


def circuits(scenario: Any, s: Any) -> Keyed:
    return Keyed(len(target_names(scenario)), Circuit)


def results(scenario: Any, s: Any) -> Keyed:
    """A count window is a ring of the last ``size`` results (flags FAILED and SLOW). A time window is a ring of ``size`` one-second
    buckets, each (calls, failed, slow), as in Resilience4j's ``SlidingTimeWindowMetrics``.
    """
    return Keyed(len(target_names(scenario)), lambda: [0] * (3 * s.size if s.timed else s.size))


TABLES = (circuits, results)


def permits(g: Any, target: int, now_s: float) -> bool:
    circuit = g.circuits[target]
    if circuit.state == CLOSED:
        return True
    if circuit.state == OPEN:
        return now_s >= circuit.opened_s + g.breaker.open_for_s
    return circuit.permits > 0


def enter(g: Any, c: Any, now_s: float) -> int:
    circuit = g.circuits[c.aim]
    if circuit.state == OPEN and now_s >= circuit.opened_s + g.breaker.open_for_s:
        circuit.permits = g.breaker.half_open_calls
        circuit.calls = circuit.failed = circuit.slow = 0
        move(g, c.aim, circuit, HALF_OPEN, now_s)
    if circuit.state == OPEN or (circuit.state == HALF_OPEN and circuit.permits == 0):
        c.refused_by = IS_OPEN
        return ERROR
    if circuit.state == HALF_OPEN:
        circuit.permits -= 1
    c.permitted = True
    return CONTINUE


def leave(g: Any, c: Any, now_s: float) -> None:
    if not c.permitted:
        return
    c.permitted = False
    if c.status == CANCELLED or c.status <= NOT_SENT or 400 <= c.status < 500:
        release(g.breaker, g.circuits[c.aim])
    else:
        record(g, c.aim, c.status != 200, c.attempt_s > g.breaker.slow_after_s, now_s)


def release(s: Any, circuit: Any) -> None:
    """A permitted call ended without a verdict: the client left, or the answer says nothing about the provider's health."""
    if circuit.state == HALF_OPEN and circuit.permits < s.half_open_calls:
        circuit.permits += 1


def record(g: Any, target: int, failed: bool, slow: bool, now_s: float) -> None:
    """Take in one result, and open or close if it says so."""
    s, circuit = g.breaker, g.circuits[target]
    if circuit.state == OPEN:
        return
    if circuit.state == HALF_OPEN:
        circuit.calls += 1
        circuit.failed += failed
        circuit.slow += slow
        if circuit.calls >= min(s.minimum_calls, s.half_open_calls):
            judge_trial(g, target, circuit, now_s)
        return
    if s.timed:
        add_to_time_window(s, circuit, g.results[target], now_s, failed, slow)
    else:
        add_to_count_window(s, circuit, g.results[target], failed, slow)
    if circuit.calls >= s.minimum_calls and over_threshold(s, circuit):
        trip(g, target, circuit, now_s)


def judge_trial(g: Any, target: int, circuit: Any, now_s: float) -> None:
    if over_threshold(g.breaker, circuit):
        trip(g, target, circuit, now_s)
    else:
        clear_window(circuit, g.results[target])
        move(g, target, circuit, CLOSED, now_s)


def over_threshold(s: Any, circuit: Any) -> bool:
    return circuit.failed >= s.failure_rate * circuit.calls or circuit.slow >= s.slow_rate * circuit.calls


def trip(g: Any, target: int, circuit: Any, now_s: float) -> None:
    g.breaker.trips += 1
    circuit.opened_s = now_s
    clear_window(circuit, g.results[target])
    move(g, target, circuit, OPEN, now_s)


def move(g: Any, target: int, circuit: Any, to: int, now_s: float) -> None:
    circuit.state = to
    note(g, now_s, MOVED, target, to)


def clear_window(circuit: Any, ring: Any) -> None:
    circuit.calls = circuit.failed = circuit.slow = 0
    circuit.place = circuit.second = 0
    for place in range(len(ring)):
        ring[place] = 0


def add_to_count_window(s: Any, circuit: Any, ring: Any, failed: bool, slow: bool) -> None:
    if circuit.calls == s.size:
        oldest = ring[circuit.place]
        circuit.failed -= oldest & FAILED
        circuit.slow -= (oldest & SLOW) >> 1
    else:
        circuit.calls += 1
    ring[circuit.place] = FAILED * failed + SLOW * slow
    circuit.failed += failed
    circuit.slow += slow
    circuit.place += 1
    if circuit.place == s.size:
        circuit.place = 0


def add_to_time_window(s: Any, circuit: Any, ring: Any, now_s: float, failed: bool, slow: bool) -> None:
    second = int(now_s)
    for stale in range(max(circuit.second + 1, second - s.size + 1), second + 1):
        place = 3 * (stale % s.size)
        circuit.calls -= ring[place]
        circuit.failed -= ring[place + 1]
        circuit.slow -= ring[place + 2]
        ring[place] = ring[place + 1] = ring[place + 2] = 0
    circuit.second = max(circuit.second, second)
    place = 3 * (second % s.size)
    ring[place] += 1
    ring[place + 1] += failed
    ring[place + 2] += slow
    circuit.calls += 1
    circuit.failed += failed
    circuit.slow += slow
