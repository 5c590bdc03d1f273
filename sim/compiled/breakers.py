"""Breakers as compiled code sees them: a list of CompiledBreaker, made from BREAKER rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.typed import List

from sim.compiled.cache import compiled
from sim.compiled.kernel import CompiledBreaker


@compiled
def made_of(rows: np.ndarray) -> Any:
    breakers = List()
    for place in range(len(rows)):
        row = rows[place]
        ring = np.zeros(3 * row.size if row.timed else row.size, np.int64)
        breakers.append(
            CompiledBreaker(
                row.timed, row.size, row.minimum_calls, row.failure_rate, row.slow_rate, row.slow_after_s, row.open_for_s,
                row.half_open_calls, 0, 0.0, 0, 0, 0, 0, 0, 0, 0, ring,
            )
        )  # fmt: skip
    return breakers
