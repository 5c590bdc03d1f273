"""Faults on the scenario's timeline, as a provider sees them: which are active for this model now?"""

from __future__ import annotations

from collections.abc import Iterable

from sim.scenario.model import Fault


def active_faults(faults: Iterable[tuple[int, Fault]], model: str, now_s: float) -> list[tuple[int, Fault]]:
    """Those of ``faults`` (numbered as in the scenario) that touch ``model`` at ``now_s``; a fault holds in [at, at + for)."""
    return [
        (number, fault) for number, fault in faults if fault.at <= now_s < fault.at + fault.for_ and fault.model in (None, model)
    ]
