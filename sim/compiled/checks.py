"""``sim.engine.invariants`` compiled: one pass over the rows while they are in the cache."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from sim.compiled.cache import compiled
from sim.engine.invariants import Passes, Totals, breaches

register_jitable(breaches)


@compiled
def tally(attempts: np.ndarray, first: int, made: np.ndarray, answers: np.ndarray, cost_usd: np.ndarray) -> bool:
    """``sim.engine.invariants.tally``, row by row."""
    for number in range(len(attempts)):
        attempt = attempts[number]
        place = attempt.request - first
        if place < 0 or place >= len(made):
            return False
        made[place] += 1
        answers[place] += attempt.status == 200
        cost_usd[place] += attempt.cost_usd
    return True


@compiled
def over_rows(
    rows: np.ndarray, previous: int, system_s: np.ndarray, made: np.ndarray, answers: np.ndarray, cost_usd: np.ndarray, slack_s: float
) -> Totals:
    """``sim.engine.invariants.over_columns``, row by row."""
    inside_s = waited_s = 0.0
    broken = False
    for place in range(len(rows)):
        row = rows[place]
        for breach in breaches(row, previous, system_s[place], made[place], answers[place], cost_usd[place], slack_s):
            broken |= breach
        previous = row.request
        inside_s += system_s[place]
        waited_s += row.queue_wait_s
    return Totals(inside_s, waited_s, not broken)


OVER_ROWS = Passes(tally, over_rows)
