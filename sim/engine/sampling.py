"""Samples of the gateway's state at regular times: the timeline of a run."""

from __future__ import annotations

from typing import Any

from sim.gateway.stages.breaker import CLOSED

SAMPLES = 1200  # of the timeline, at most; never more often than once a second


def sampling(duration_s: float) -> tuple[int, float]:
    """How many samples a timeline has, and the seconds between them."""
    every_s = max(1.0, duration_s / SAMPLES)
    return int(duration_s / every_s) + 1, every_s


def look(g: Any) -> tuple[int, int, int]:
    """(waiting, in service, breakers not closed) now, in Python as in compiled code."""
    opened = 0 if g.circuits is None else sum(int(circuit.state != CLOSED) for circuit in rows_of(g.circuits))
    if g.admission is None:
        return 0, sum(int(target.in_flight) for target in rows_of(g.targets)), opened
    return int(g.admission.waiting), int(g.admission.in_service), opened


def rows_of(table: Any) -> Any:
    """The records of a table: a dict in Python, an array in compiled code."""
    return table.values() if isinstance(table, dict) else table
