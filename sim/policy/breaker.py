"""Circuit breaker with Resilience4j's semantics, state by state as in its ``CircuitBreakerStateMachine``.

Closed: every call is permitted; after ``minimum_calls`` results in the window it opens when the failure rate is **at least**
``failure_rate`` or the share of slow calls at least ``slow_rate``. Open: calls are refused until ``open_for_s`` has passed; the
first call asked for after that moves it to half-open. Half-open: ``half_open_calls`` are permitted, the rest refused; when that
many results are in (or ``minimum_calls``, if fewer), it opens or closes by the same rates. Results of earlier calls that arrive
meanwhile count too; while it is open they change nothing.
"""

from __future__ import annotations

from sim.scenario.model import Breaker

CLOSED, OPEN, HALF_OPEN = 0, 1, 2
STATES = ("closed", "open", "half-open")

# What a preset fills in. resilience4j: CircuitBreakerConfig's defaults. polly: CircuitBreakerStrategyOptions (v8).
# hystrix: HystrixCommandProperties. The last two judge a rolling time window and let one probe through.
PRESETS: dict[str, dict[str, float | str]] = {
    "resilience4j": {
        "window": "count", "window_size": 100, "minimum_calls": 100, "failure_rate": 0.5, "slow_rate": 1.0, "slow_after": 60.0,
        "open_for": 60.0, "half_open_calls": 10,
    },
    "polly": {
        "window": "time", "window_size": 30, "minimum_calls": 100, "failure_rate": 0.1, "slow_rate": 1.0, "slow_after": float("inf"),
        "open_for": 5.0, "half_open_calls": 1,
    },
    "hystrix": {
        "window": "time", "window_size": 10, "minimum_calls": 20, "failure_rate": 0.5, "slow_rate": 1.0, "slow_after": float("inf"),
        "open_for": 5.0, "half_open_calls": 1,
    },
}  # fmt: skip

FAILED, SLOW = 1, 2


class BreakerState:
    """A breaker: its settings, its state, and the window of results.

    A count window is a ring of the last ``size`` results (flags FAILED and SLOW). A time window is a ring of ``size`` one-second
    buckets, each (calls, failed, slow), as in Resilience4j's ``SlidingTimeWindowMetrics``.
    """

    __slots__ = (
        "calls", "failed", "failure_rate", "half_open_calls", "minimum_calls", "open_for_s", "opened_s", "permits", "place",
        "ring", "second", "size", "slow", "slow_after_s", "slow_rate", "state", "timed", "trips",
    )  # fmt: skip

    def __init__(self, config: Breaker) -> None:
        given = config.model_dump(exclude_none=True, exclude={"preset"})
        values = PRESETS[config.preset] | given
        self.timed = values["window"] == "time"
        self.size = int(values["window_size"])
        self.minimum_calls = int(values["minimum_calls"]) if self.timed else min(int(values["minimum_calls"]), self.size)
        self.failure_rate = float(values["failure_rate"])
        self.slow_rate = float(values["slow_rate"])
        self.slow_after_s = float(values["slow_after"])
        self.open_for_s = float(values["open_for"])
        self.half_open_calls = int(values["half_open_calls"])
        self.state = CLOSED
        self.opened_s = 0.0
        self.permits = 0
        self.trips = 0
        self.calls = self.failed = self.slow = 0
        self.place = self.second = 0
        self.ring = [0] * (3 * self.size if self.timed else self.size)

    def __repr__(self) -> str:
        return f"<Breaker {STATES[self.state]}: {self.failed} failed and {self.slow} slow of {self.calls}>"


def clear_window(breaker: BreakerState) -> None:
    breaker.calls = breaker.failed = breaker.slow = 0
    breaker.place = 0
    breaker.second = 0
    for place in range(len(breaker.ring)):
        breaker.ring[place] = 0


def permits_call(breaker: BreakerState, now_s: float) -> bool:
    """Would ``allow`` say yes? Changes nothing."""
    if breaker.state == CLOSED:
        return True
    if breaker.state == OPEN:
        return now_s >= breaker.opened_s + breaker.open_for_s
    return breaker.permits > 0


def allow(breaker: BreakerState, now_s: float) -> bool:
    """May a call be made now? In half-open this takes one of the permits, to be given back by ``record`` or ``release``."""
    if breaker.state == CLOSED:
        return True
    if breaker.state == OPEN:
        if now_s < breaker.opened_s + breaker.open_for_s:
            return False
        breaker.state = HALF_OPEN
        breaker.permits = breaker.half_open_calls
        breaker.calls = breaker.failed = breaker.slow = 0
    if breaker.permits == 0:
        return False
    breaker.permits -= 1
    return True


def release(breaker: BreakerState) -> None:
    """A permitted call ended without a verdict (the client left, or the answer says nothing about the provider's health)."""
    if breaker.state == HALF_OPEN and breaker.permits < breaker.half_open_calls:
        breaker.permits += 1


def record(breaker: BreakerState, now_s: float, failed: bool, duration_s: float) -> bool:
    """Take in one result. True if the breaker changed its state."""
    slow = duration_s > breaker.slow_after_s
    if breaker.state == OPEN:
        return False
    if breaker.state == HALF_OPEN:
        breaker.calls += 1
        breaker.failed += failed
        breaker.slow += slow
        if breaker.calls < min(breaker.minimum_calls, breaker.half_open_calls):
            return False
        if over_threshold(breaker):
            trip(breaker, now_s)
        else:
            breaker.state = CLOSED
            clear_window(breaker)
        return True
    if breaker.timed:
        add_to_time_window(breaker, now_s, failed, slow)
    else:
        add_to_count_window(breaker, failed, slow)
    if breaker.calls < breaker.minimum_calls or not over_threshold(breaker):
        return False
    trip(breaker, now_s)
    return True


def over_threshold(breaker: BreakerState) -> bool:
    return breaker.failed >= breaker.failure_rate * breaker.calls or breaker.slow >= breaker.slow_rate * breaker.calls


def trip(breaker: BreakerState, now_s: float) -> None:
    breaker.state = OPEN
    breaker.opened_s = now_s
    breaker.trips += 1
    clear_window(breaker)


def add_to_count_window(breaker: BreakerState, failed: bool, slow: bool) -> None:
    if breaker.calls == breaker.size:
        oldest = breaker.ring[breaker.place]
        breaker.failed -= oldest & FAILED
        breaker.slow -= (oldest & SLOW) >> 1
    else:
        breaker.calls += 1
    breaker.ring[breaker.place] = FAILED * failed + SLOW * slow
    breaker.failed += failed
    breaker.slow += slow
    breaker.place += 1
    if breaker.place == breaker.size:
        breaker.place = 0


def add_to_time_window(breaker: BreakerState, now_s: float, failed: bool, slow: bool) -> None:
    second = int(now_s)
    for stale in range(max(breaker.second + 1, second - breaker.size + 1), second + 1):
        place = 3 * (stale % breaker.size)
        breaker.calls -= breaker.ring[place]
        breaker.failed -= breaker.ring[place + 1]
        breaker.slow -= breaker.ring[place + 2]
        breaker.ring[place] = breaker.ring[place + 1] = breaker.ring[place + 2] = 0
    breaker.second = max(breaker.second, second)
    place = 3 * (second % breaker.size)
    breaker.ring[place] += 1
    breaker.ring[place + 1] += failed
    breaker.ring[place + 2] += slow
    breaker.calls += 1
    breaker.failed += failed
    breaker.slow += slow
