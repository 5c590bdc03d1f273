"""A scenario in less time: its duration, warm-up, stages of arrivals and faults squeezed alike, so that a long one can be played for real.

What the gateway and its providers take stays: a breaker that is open for 15 s still is. So it is another scenario, which is predicted anew.
"""

from __future__ import annotations

import json
from typing import Any

from sim.scenario.model import Scenario, Stages


def shortened(scenario: Scenario, duration_s: float) -> tuple[str, ...]:
    """``path=value`` overrides that make it last ``duration_s``, which must be less than it does. Raises ValueError."""
    workload = scenario.workload
    if not 0 < duration_s <= workload.duration:
        raise ValueError(f"{scenario.name} lasts {workload.duration:g} s, which cannot be shortened to {duration_s:g} s")
    squeeze = duration_s / workload.duration
    found = [f"workload.duration={duration_s:.6g}s"]
    if workload.warmup != "auto":
        found.append(f"workload.warmup={workload.warmup * squeeze:.6g}s")
    if isinstance(workload.arrivals, Stages):
        stages = [plain(stage) | {"duration": f"{stage.duration * squeeze:.6g}s"} for stage in workload.arrivals.stages]
        found.append(f"workload.arrivals.stages={json.dumps(stages)}")
    if scenario.faults:
        faults = [plain(one) | {"at": f"{one.at * squeeze:.6g}s", "for": f"{one.for_ * squeeze:.6g}s"} for one in scenario.faults]
        found.append(f"faults={json.dumps(faults)}")
    return tuple(found)


def plain(model: Any) -> dict[str, Any]:
    document: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    return document
