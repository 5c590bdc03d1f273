"""What may help a gateway that does not recover: changes to its scenario, as ``path=value``, each to be tested by a run with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sim.analysis.metrics import measure
from sim.analysis.window import Window
from sim.data.run import Run
from sim.scenario.budgets import phase_spans

BUDGET = 0.2
"""Retries as a share of requests: Envoy's and Finagle's default."""
SLOW_TIMES = 1.5
"""A call is slow that takes so many times the P99 before the fault."""


class Remedy(NamedTuple):
    words: str
    overrides: tuple[str, ...]


def retry_budget(run: Run) -> tuple[str, ...]:
    scenario: Any = run.scenario
    retries = scenario.workload.client.retries
    found = []
    if retries is not None and retries.budget is None:
        found.append(f"workload.client.retries.budget={BUDGET}")
    if scenario.gateway.retry.attempts > 1 and scenario.gateway.retry.budget is None:
        found.append(f"gateway.retry.budget={BUDGET}")
    return tuple(found)


def cancelled_work(run: Run) -> tuple[str, ...]:
    scenario: Any = run.scenario
    goes_on = not scenario.gateway.cancel_on_disconnect and scenario.workload.client.timeout is not None
    return ("gateway.cancel_on_disconnect=true",) if goes_on else ()


def bounded_wait(run: Run) -> tuple[str, ...]:
    scenario: Any = run.scenario
    queue, timeout_s = scenario.gateway.queue, scenario.workload.client.timeout
    if queue is None or timeout_s is None or (queue.timeout is not None and queue.timeout <= timeout_s):
        return ()
    return (f"gateway.queue.timeout={timeout_s / 2:g}s",)


def slow_call_breaker(run: Run) -> tuple[str, ...]:
    scenario: Any = run.scenario
    breaker = scenario.gateway.breaker
    if breaker is not None and breaker.slow_rate is not None and breaker.slow_rate < 1.0:
        return ()
    usual_s = measure(Window(run, phase_spans(run.scenario, "before")), "latency_s.p99").value
    if usual_s is None:
        return ()
    judged = f"window: time, window_size: 10, minimum_calls: 20, slow_rate: 0.5, slow_after: {usual_s * SLOW_TIMES * 1000:.0f}ms"
    if breaker is None:
        return (f"gateway.breaker={{{judged}, open_for: 15s}}",)
    parts = (part.split(": ") for part in judged.split(", "))
    return tuple(f"gateway.breaker.{name}={value}" for name, value in parts)


REMEDIES: tuple[tuple[str, Callable[[Run], tuple[str, ...]]], ...] = (
    (f"a retry budget of {BUDGET:.0%}".replace("%", " %"), retry_budget),
    ("cancel the work of clients that have left", cancelled_work),
    ("reject calls that have waited for half their client's patience", bounded_wait),
    ("a breaker that counts slow calls", slow_call_breaker),
)


def remedies_for(run: Run) -> list[Remedy]:
    """Those that the scenario does not have yet."""
    return [Remedy(words, overrides) for words, remedy in REMEDIES if (overrides := remedy(run))]


def together(remedies: list[Remedy]) -> Remedy:
    return Remedy("all of them together", tuple(override for remedy in remedies for override in remedy.overrides))
