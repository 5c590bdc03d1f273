"""Time to recover: from the end of a disturbance until availability is back within the steady-state hypothesis, for good.

The hypothesis is availability before the first disturbance, less TOLERANCE, less what chance does to a window (SIGMAS standard errors). A
window of ``window_s`` slides over arrivals from the disturbance's end on, all replications together; recovery is at the start of the first
window from which on none falls below. A replication that stays down keeps the pooled figure down: it has not recovered then.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from sim.analysis.window import Window, end_of
from sim.data.outcomes import is_available
from sim.data.run import Run
from sim.scenario.budgets import disturbances

TOLERANCE = 0.01
SIGMAS = 3.0
WINDOWS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
LEAST = 100
"""Requests that a window should hold: the shortest of WINDOWS_S does where the rate gives as many."""
STEPS = 5
"""In which a window slides over its own length."""


@dataclass(frozen=True)
class Recovery:
    """``recovered``: None where the samples cannot say. ``time_s`` to recover; ``bound`` is the availability that counts as recovered."""

    recovered: bool | None
    time_s: float | None
    window_s: float
    before: float | None
    observed_s: float

    @property
    def never(self) -> bool:
        return self.recovered is False

    @property
    def was_unwell(self) -> bool:
        """Samples enough, but so few answers before the disturbance that no window could fall below them."""
        return self.recovered is None and self.before is not None and self.observed_s >= self.window_s


def time_to_recover(run: Run, fault: str | None = None) -> Recovery:
    """From the end of the last disturbance, or of the last one of a kind."""
    struck = disturbances(run.scenario, fault)
    everything = disturbances(run.scenario)
    start_s, end_s = max(end for _, end in struck), end_of(run)
    steady = Window(run, [(run.warmup_s, min(start for start, _ in [*everything, *struck]))])
    observed_s = max(0.0, end_s - start_s)
    if not len(steady):
        return Recovery(None, None, WINDOWS_S[0], None, observed_s)
    before = float(np.mean(steady.available))
    rate = len(steady) / max(steady.seconds, 1e-9)
    window_s = next((each for each in WINDOWS_S if each * rate >= LEAST), WINDOWS_S[-1])
    if observed_s < window_s:
        return Recovery(None, None, window_s, before, observed_s)
    step_s = window_s / STEPS
    steps = int(observed_s / step_s + 1e-9)
    requests = run.requests
    arrival_s = requests["arrival_s"]
    inside = (arrival_s >= start_s) & (arrival_s < start_s + steps * step_s)
    place = np.minimum(((arrival_s[inside] - start_s) / step_s).astype(np.int64), steps - 1)
    answered = is_available(requests["outcome"])[inside]
    count, good = (np.concatenate([[0.0], np.cumsum(np.bincount(each, minlength=steps))]) for each in (place, place[answered]))
    count, good = count[STEPS:] - count[:-STEPS], good[STEPS:] - good[:-STEPS]
    spread = sqrt(max(before * (1.0 - before), TOLERANCE * (1.0 - TOLERANCE)))
    with np.errstate(divide="ignore", invalid="ignore"):
        least = before - TOLERANCE - SIGMAS * spread / np.sqrt(count)
        low = (count > 0) & (good / count < least)
    if not (least > 0).any():  # it was never well: no window could fall below
        return Recovery(None, None, window_s, before, observed_s)
    if not low.any():
        return Recovery(True, 0.0, window_s, before, observed_s)
    last = int(np.flatnonzero(low)[-1])
    if last == len(low) - 1:
        return Recovery(False, None, window_s, before, observed_s)
    return Recovery(True, (last + 1) * step_s, window_s, before, observed_s)
