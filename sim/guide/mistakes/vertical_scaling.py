"""Scaling vertically only: the gateway works on one call at a time, which no bigger server changes.

Two forms of it: synchronous workers, which a call occupies for as long as its provider takes (no more calls in service than processes), and
a single process, which uses one core of however many.
"""

from __future__ import annotations

from typing import Any

from sim.data.run import Run
from sim.formatting import percent
from sim.guide.found import Found
from sim.guide.trials import Changes, Trials, change, gain

WORDS = "Scaling vertically only: Bigger servers can't fix fundamentally serial processing."
SCALE = 10.0
BINDS = 0.95
"""Load at SCALE from which a limit is too small: what arrives at random waits for long before it reaches 1."""
ROOM = 0.7
"""Load at which the mended limit is to run."""
CONCURRENCY, CPU = "the gateway's concurrency", "the gateway's CPU"


def find(trials: Trials) -> Found | None:
    gateway = trials.scenario.gateway
    slots = None if gateway.queue is None else gateway.queue.concurrency
    if is_synchronous(gateway):
        return serial(trials, CONCURRENCY, f"{slots} calls in service, one for each of {gateway.workers} worker processes")
    if gateway.workers == 1 and gateway.cpu_per_request is not None:
        return serial(trials, CPU, "one process, which uses one core")
    return None


def is_synchronous(gateway: Any) -> bool:
    return gateway.queue is not None and gateway.queue.concurrency != "unlimited" and gateway.queue.concurrency <= gateway.workers


def serial(trials: Trials, limit: str, what: str) -> Found | None:
    before = trials.run(scale=SCALE)
    row = next((row for row in before.usage if row["limit"] == limit), None)
    if row is None or row["load"] is None or row["load"] < BINDS:
        return None
    bigger, words = bigger_server(trials, limit)
    enough = enough_for(before, row)
    mend = mended(trials, limit, enough)
    vertical, after = trials.run(bigger, SCALE), trials.run(mend, SCALE)
    figures = ("availability", "latency_s.p50")
    unchanged = gain("availability", before, vertical, phase=f"at {SCALE:g}x, {words}")
    return Found(
        where="gateway.queue.concurrency" if limit == CONCURRENCY else "gateway.workers",
        says=f"{what}: at {SCALE:g}x {limit} is asked for {percent(row['load'])} of what it has. {words.capitalize()} it would answer "
        f"{percent(unchanged.after)} of the requests instead of {percent(unchanged.before)}",
        mend=mend,
        todo=(
            f"let calls wait for providers without holding a process: {enough} in service at once"
            if limit == CONCURRENCY
            else f"spread the work over {enough} processes or servers: gateway.workers"
        ),
        gains=(unchanged, *(gain(figure, before, after, phase=f"at {SCALE:g}x") for figure in figures)),
    )


def bigger_server(trials: Trials, limit: str) -> tuple[Changes, str]:
    """What a bigger server changes. Cores beyond the first are of no use to a single process; no CPU at all is the most that any faster
    one can save a call that waits for its provider."""
    if limit == CPU:
        return (), "on a server with more cores"
    return (change("gateway.cpu_per_request", None),) if trials.scenario.gateway.cpu_per_request else (), "on an infinitely fast server"


def enough_for(run: Run, row: dict[str, Any]) -> int:
    return int(max(row["demand"], row["capacity"]) / ROOM) + 1


def mended(trials: Trials, limit: str, enough: int) -> Changes:
    return (change("gateway.queue.concurrency" if limit == CONCURRENCY else "gateway.workers", enough),)
