"""The fingerprint of a run: a SHA-256 over everything that happened and when. Same scenario, seed and engine: same fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sim.records import OUTCOMES
from sim.run import Run

Fact = tuple[float, str, str, str]


def fingerprint(run: Run) -> str:
    """Over rows of (time as float.hex, kind, entity, outcome), replication by replication, each in order of time."""
    digest = hashlib.sha256()
    for replication in range(run.replications):
        for at_s, kind, entity, outcome in sorted(facts(run, replication)):
            digest.update(f"{at_s.hex()} {kind} {entity} {outcome}\n".encode())
    return digest.hexdigest()


def facts(run: Run, replication: int) -> Iterator[Fact]:
    """What happened in one replication: arrivals and ends of requests and of attempts, and events."""
    requests = run.requests[run.requests["replication"] == replication]
    columns = (requests[name].tolist() for name in ("request", "arrival_s", "latency_s", "outcome"))
    for request, arrival_s, latency_s, outcome in zip(*columns, strict=True):
        yield arrival_s, "arrival", f"{request}", ""
        yield arrival_s + latency_s, "end", f"{request}", OUTCOMES[outcome]
    attempts = run.attempts[run.attempts["replication"] == replication]
    columns = (attempts[name].tolist() for name in ("request", "attempt", "target", "started_s", "duration_s", "status"))
    for request, attempt, target, started_s, duration_s, status in zip(*columns, strict=True):
        entity = f"{request}.{attempt}@{run.targets[target]}"
        yield started_s, "attempt", entity, ""
        yield started_s + duration_s, "answer", entity, f"{status}"
    for event in run.events:
        if event.get("replication", 0) == replication:
            yield float(event["at_s"]), str(event["event"]), str(event.get("target", "")), str(event.get("state", ""))
