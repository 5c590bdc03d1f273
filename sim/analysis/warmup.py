"""How much of the start of a steady-state run to leave out: MSER-5 (White, Cobb & Spratt, 2000).

The number d of batch means to delete is the one that makes the rest look best known: it minimises Σ(x̄ᵢ - x̄)² / (n - d)² over the
n - d left. A minimum in the second half of the run means that it never came to rest.
"""

from __future__ import annotations

import numpy as np

from sim.data.outcomes import is_available
from sim.data.table import Columns, Rows
from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import Scenario
from sim.scenario.units import Seconds

BATCH = 5
BINS = 1000
"""Of the run's time, at most; each holds the mean latency of its requests over all replications."""
LEAST_PER_BIN = 20


class NoSteadyState(ValueError):
    """The run never came to rest: it needs to be longer, or it has no steady state (overload, faults, changing load)."""


def mser(series: np.ndarray, batch: int = BATCH) -> int:
    """Observations to delete from the start of ``series``, a multiple of ``batch``. Raises NoSteadyState."""
    means = series[: len(series) // batch * batch].reshape(-1, batch).mean(axis=1)
    n = len(means)
    if n < 4:
        raise NoSteadyState(f"{len(series)} observations are too few to find a warm-up in")
    left = n - np.arange(n)
    total = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum(means[::-1] ** 2)[::-1]
    errors = (squares - total**2 / left) / left**2
    deleted = int(np.argmin(errors[: n - 2]))  # of the last two there is nothing to judge by
    if deleted > n // 2:
        raise NoSteadyState("the figures still drift in the second half of the run")
    return deleted * batch


def find_warmup_s(requests: Rows, duration_s: float) -> float:
    """The warm-up of a run by MSER-5 on the mean latency over time, all replications together. Raises NoSteadyState."""
    answered = Columns(requests, is_available(requests["outcome"]))
    bins = min(BINS, len(answered) // LEAST_PER_BIN)
    if bins < 4 * BATCH:
        raise NoSteadyState(f"{len(answered)} answered requests are too few to find a warm-up in")
    place = np.minimum((answered["arrival_s"] / duration_s * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    level = np.bincount(place, weights=answered["latency_s"], minlength=bins)
    return mser(level[count > 0] / count[count > 0]) * duration_s / bins


def with_warmup(scenario: Scenario, requests: Rows) -> Scenario:
    """The scenario with the warm-up that ``requests`` (all replications) show, where it says ``auto``; else as it is.

    Raises ScenarioError where there is none to be found.
    """
    workload = scenario.workload
    if workload.warmup != "auto":
        return scenario
    try:
        return warmed(scenario, find_warmup_s(requests, workload.duration))
    except NoSteadyState as reason:
        hint = "lengthen workload.duration; an overloaded run has no steady state at all"
        raise ScenarioError([Problem("scenario", f"no warm-up can be found: {reason}", path="workload.warmup", hint=hint)]) from reason


def warmed(scenario: Scenario, warmup_s: float) -> Scenario:
    """The scenario with a warm-up that has been found, where it says ``auto``."""
    workload = scenario.workload
    if workload.warmup != "auto":
        return scenario
    return scenario.model_copy(update={"workload": workload.model_copy(update={"warmup": Seconds(warmup_s)})})
