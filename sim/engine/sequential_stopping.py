"""Sequential stopping: as many replications as a precision takes (Law, *Simulation Modeling and Analysis*, 9.4.1).

Replications are added until the half-width of each figure's interval is at most γ / (1 + γ) of its value, which makes the relative
error at most γ with the interval's confidence. At least MINIMUM are made, so that the interval can be trusted, and at most MOST.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from sim.analysis.estimators import Estimate
from sim.analysis.metrics import METRICS, measure
from sim.data.precision import Precision
from sim.data.run import Run

MINIMUM = 10
MOST = 200
FIGURES = ("latency_s.mean", "latency_s.p99", "cost_usd.per_request")
"""What must be known to the precision asked for; a cost of zero is."""


def half_width(estimate: Estimate) -> float | None:
    """Relative half-width of an interval; None without one."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    half = (estimate.high - estimate.low) / 2
    return half / abs(estimate.value) if estimate.value else 0.0 if half == 0 else None


def to_precision(
    asked: float, run_first: Callable[[int], Run], minimum: int = MINIMUM, most: int = MOST, figures: tuple[str, ...] = FIGURES
) -> tuple[Run, Precision]:
    """Replications until every figure is known to within ``asked`` (0.02: 2 %), and what was reached.

    ``run_first(n)`` is the run of the first n replications; it may keep those that it made before. Raises ValueError for a precision
    outside (0, 1) and KeyError for a figure that is no metric.
    """
    if not 0 < asked < 1:
        raise ValueError(f"expected a precision between 0 and 1, found {asked:g}")
    unknown = [name for name in figures if name not in METRICS]
    if unknown:
        raise KeyError(unknown[0])
    wanted, target = minimum, asked / (1 + asked)
    while True:
        run = run_first(wanted)
        reached = {name: half_width(measure(run, name)) for name in figures}
        precision = Precision(asked, wanted, reached)
        if not precision.missed or wanted >= most:
            return run, precision
        known = [half for half in reached.values() if half is not None]
        needed = math.ceil(wanted * max([(half / target) ** 2 for half in known], default=2.0))
        wanted = min(most, max(wanted + 1, min(needed, 2 * wanted)))  # no more than twice as many: the estimate of "needed" is rough too
