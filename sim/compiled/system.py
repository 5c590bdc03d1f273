"""Counting in and out, and the clock of each request."""

from __future__ import annotations

from typing import Any

from sim.compiled.kernel import inlined


@inlined
def enter_system(e: Any) -> None:
    w = e.world[0]
    w.area_s += w.inside * (w.now_s - w.area_at_s)
    w.area_at_s = w.now_s
    w.inside += 1
    w.entered += 1


@inlined
def leave_system(e: Any, request: int) -> None:
    w, row = e.world[0], e.rows[request]
    w.area_s += w.inside * (w.now_s - w.area_at_s)
    w.area_at_s = w.now_s
    w.inside -= 1
    e.inside_s[request] = w.now_s - e.inside_s[request]
    row.latency_s = w.now_s - row.arrival_s
    row.ttft_s -= row.arrival_s
