"""A provider's outage laid over a scenario for the middle third of its run, in place of its own faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.guide.trials import Changes, change
from sim.scenario.budgets import Span


def outage_span(scenario: Any) -> Span:
    """From and until, in seconds from the run's start."""
    workload = scenario.workload
    third = (workload.duration - workload.warmup_s) / 3
    return workload.warmup_s + third, workload.warmup_s + 2 * third


def outage(scenario: Any, providers: Sequence[str]) -> Changes:
    """All of ``providers`` answer 503 to everything at the same time. Budgets and assertions, which may be about other faults, are left
    out."""
    begins, ends = outage_span(scenario)
    fault = {"kind": "outage", "provider": providers[0], "also": list(providers[1:]), "at": f"{begins:g}s", "for": f"{ends - begins:g}s"}
    return (change("faults", [fault]), change("budgets", []), change("assertions", None), change("expected", None))
