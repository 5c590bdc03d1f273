"""A chaos run in the model beside the same one for real: availability by phase, and the time to recover.

Both played the same requests and faults, so what differs is the model's error. A time to recover is known to the step in which its window
slides (``sim.analysis.recovery``), so two that lie one step apart agree.
"""

from __future__ import annotations

from typing import Any

from sim.analysis.recovery import STEPS
from sim.formatting import Document

POINTS = 0.02
"""Availability of a phase may be off by so much,"""
SHARE = 0.20
"""and the time to recover by so much of what was measured."""


def agreement(predicted: Document, measured: Document) -> dict[str, Any]:
    """Of two documents of ``sim.analysis.chaos``. ``ok``: everything that both sides know agrees."""
    phases = {
        phase: compared(availability(predicted, phase), availability(measured, phase))
        for phase in predicted["phases"]
        if phase in measured["phases"]
    }
    recovery = recoveries(predicted, measured)
    return {"availability": phases, "recovery": recovery, "ok": all(one["ok"] is not False for one in [*phases.values(), recovery])}


def availability(document: Document, phase: str) -> float | None:
    value: float | None = document["phases"][phase]["availability"]["value"]
    return value


def compared(predicted: float | None, measured: float | None) -> dict[str, Any]:
    if predicted is None or measured is None:
        return {"predicted": predicted, "measured": measured, "difference": None, "ok": None}
    difference = predicted - measured
    return {"predicted": predicted, "measured": measured, "difference": difference, "ok": abs(difference) <= POINTS}


def recoveries(predicted: Document, measured: Document) -> dict[str, Any]:
    """``ok`` None where one side cannot say, or nothing strikes from outside; False where one recovers and the other does not."""
    both = {"predicted": predicted["recovery_time_s"], "measured": measured["recovery_time_s"]}
    verdicts = predicted["recovered"], measured["recovered"]
    if None in verdicts:
        return {**both, "ok": None}
    if not all(verdicts):
        return {**both, "ok": verdicts[0] == verdicts[1]}
    step_s = measured["recovery"]["window_s"] / STEPS
    return {**both, "ok": abs(both["predicted"] - both["measured"]) <= max(SHARE * both["measured"], step_s + 1e-9)}
