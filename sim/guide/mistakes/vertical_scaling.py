"""Scaling vertically only: the gateway works on one call at a time, which no bigger server changes.

Three forms of it: synchronous workers, which a call occupies for as long as its provider takes (no more calls in service than processes), a
single process, which uses little of however many cores, and work that is done for one call at a time.
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
CONCURRENCY, CPU, SERIAL = "the gateway's concurrency", "the gateway's CPU", "the gateway's serial work"
BIG_SERVER = 64
"""Cores of a big server (AWS c7i.16xlarge)."""

WHERE = {CONCURRENCY: "gateway.queue.concurrency", CPU: "gateway.workers", SERIAL: "gateway.serial_per_request"}
TODO = {
    CONCURRENCY: "let calls wait for providers without holding a process: {} in service at once",
    CPU: "spread the work over {} processes or servers: gateway.workers, or gateway.autoscale",
    SERIAL: "take it out of the way of calls: shards, a queue behind the answer, or none",
}


def find(trials: Trials) -> Found | None:
    gateway = trials.scenario.gateway
    slots = None if gateway.queue is None else gateway.queue.concurrency
    if is_synchronous(gateway):
        return serial(trials, CONCURRENCY, f"{slots} calls in service, one for each of {gateway.workers} worker processes")
    if gateway.serial_per_request is not None and (found := serial(trials, SERIAL, "work that is done for one call at a time")):
        return found
    if gateway.workers == 1 and gateway.autoscale is None and gateway.cpu_per_request is not None:
        return serial(trials, CPU, "one process, which uses one core" if gateway.parallel == 0 else "one process")
    return None


def is_synchronous(gateway: Any) -> bool:
    queue = gateway.queue
    if queue is None or queue.concurrency == "unlimited" or gateway.autoscale is not None:
        return False
    return bool(queue.concurrency <= (1 if queue.per == "worker" else gateway.workers))


def serial(trials: Trials, limit: str, what: str) -> Found | None:
    before = trials.run(scale=SCALE)
    row = binding(before, limit)
    if row is None:
        return None
    bigger, words = bigger_server(trials, limit)
    enough = enough_for(before, row)
    mend = mended(trials, limit, enough)
    vertical, after = trials.run(bigger, SCALE), trials.run(mend, SCALE)
    if limit == CPU and binding(vertical, limit) is None:
        return None  # its cores do enough of it at once
    figures = ("availability", "latency_s.p50")
    unchanged = gain("availability", before, vertical, phase=f"at {SCALE:g}x, {words}")
    return Found(
        where=WHERE[limit],
        says=f"{what}: at {SCALE:g}x {limit} is asked for {percent(row['load'])} of what it has. {words.capitalize()} it would answer "
        f"{percent(unchanged.after)} of the requests instead of {percent(unchanged.before)}",
        mend=mend,
        todo=TODO[limit].format(enough),
        gains=(unchanged, *(gain(figure, before, after, phase=f"at {SCALE:g}x") for figure in figures)),
    )


def binding(run: Run, limit: str) -> dict[str, Any] | None:
    """The row of a limit that is too small."""
    row = next((row for row in run.usage if row["limit"] == limit), None)
    return None if row is None or row["load"] is None or row["load"] < BINDS else row


def bigger_server(trials: Trials, limit: str) -> tuple[Changes, str]:
    """What a bigger server changes. No CPU work at all is the most that any faster one can save a call that waits for its provider,
    or for others."""
    if limit == CPU:
        return (change("gateway.cores", BIG_SERVER),), f"on a server with {BIG_SERVER} cores"
    return (change("gateway.cpu_per_request", None),) if trials.scenario.gateway.cpu_per_request else (), "on an infinitely fast server"


def enough_for(run: Run, row: dict[str, Any]) -> int:
    return int(max(row["demand"], row["capacity"]) / ROOM) + 1


def mended(trials: Trials, limit: str, enough: int) -> Changes:
    if limit == SERIAL:
        return (change(WHERE[limit], None),)
    if limit == CONCURRENCY and trials.scenario.gateway.queue.per == "worker":
        return (change(WHERE[limit], -(-enough // trials.scenario.gateway.workers)),)
    return (change(WHERE[limit], enough),)
