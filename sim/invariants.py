"""What must hold on every replication, whatever the scenario, checked on every run. A violation stops it and says how to replay it.

Conservation: every request that arrived ended once, and nobody is left inside. Little's law, exactly: the area under the number inside
(kept by those who count in and out) equals the sum of the times spent there (kept by the requests). Every attempt that a provider saw
belongs to a request, and every dollar of a request to an attempt. Nothing is negative or over its limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.records import OUTCOMES

if TYPE_CHECKING:
    from sim.gateway import Gateway
    from sim.provider import ProviderState

RELATIVE = 1e-9
NEVER_NEGATIVE = (
    "latency_s", "queue_wait_s", "coalesced_s", "cpu_s", "failed_s", "backoff_s", "attempts", "input_tokens", "output_tokens", "cost_usd",
)  # fmt: skip
PARTS = ("queue_wait_s", "coalesced_s", "cpu_s", "failed_s", "backoff_s")


class Violation(NamedTuple):
    """What does not hold, and where: the request and its arrival, where one can be named."""

    says: str
    request: int | None = None
    at_s: float | None = None


class InvariantViolated(AssertionError):
    """The model contradicts itself: a defect of Tenfold, never of a scenario."""


class Level:
    """How many are inside, and the area under that number: ``area_s`` = ∫ inside dt up to ``at_s``."""

    __slots__ = ("area_s", "at_s", "entered", "inside")

    def __init__(self) -> None:
        self.entered = 0
        self.inside = 0
        self.area_s = 0.0
        self.at_s = 0.0

    def enter(self, now_s: float) -> None:
        self.area_s += self.inside * (now_s - self.at_s)
        self.at_s = now_s
        self.inside += 1
        self.entered += 1

    def leave(self, now_s: float) -> None:
        self.area_s += self.inside * (now_s - self.at_s)
        self.at_s = now_s
        self.inside -= 1


class Replication(NamedTuple):
    """One replication at its end. ``requests`` and ``attempts`` are its rows, ``system_s`` the seconds each request spent inside in the
    order of ``requests``, ``system`` the number inside as the world counted it, ``samples`` rows of records.TIMELINE.
    """

    requests: np.ndarray
    attempts: np.ndarray
    system_s: np.ndarray
    system: Level
    gateway: Gateway
    providers: dict[str, ProviderState]
    samples: np.ndarray


def hold(replication: Replication, replay: str) -> None:
    """Raises InvariantViolated with the first violation, where it shows, and the command that replays the run."""
    violation = next(violations(replication), None)
    if violation is not None:
        where = "" if violation.request is None else f", first at request {violation.request} ({violation.at_s:.9g} s)"
        raise InvariantViolated(f"invariant broken: {violation.says}{where}; to replay: {replay}")


def violations(replication: Replication) -> Iterator[Violation]:
    yield from conservation(replication)
    yield from littles_law(replication)
    yield from attempts_and_cost(replication)
    yield from bounds(replication)


def conservation(replication: Replication) -> Iterator[Violation]:
    rows, system, gateway = replication.requests, replication.system, replication.gateway
    if len(rows) != system.entered or system.inside:
        yield Violation(f"{system.entered} requests arrived, {len(rows)} ended and {system.inside} are still inside")
    if len(rows) and np.any(np.diff(rows["request"]) <= 0):
        yield at("a request ended twice", rows[1:], np.diff(rows["request"]) <= 0)
    if len(rows) and (outside := (rows["outcome"] < 0) | (rows["outcome"] >= len(OUTCOMES))).any():
        yield at("a request has no outcome", rows, outside)
    held = {} if gateway.admission is None else {"slots": gateway.admission.in_service, "places in the line": gateway.admission.waiting}
    held |= {f"calls to {target.name}": target.in_flight for target in gateway.targets}
    held |= {f"places at {name}": provider.in_service for name, provider in replication.providers.items()}
    held |= {"identical prompts under way": len(gateway.cache.flights)} if gateway.cache is not None else {}
    for what, count in held.items():
        if count:
            yield Violation(f"when everything was over, {count} {what} were still held")


def littles_law(replication: Replication) -> Iterator[Violation]:
    rows, admission = replication.requests, replication.gateway.admission
    yield from same_area("the system", replication.system.area_s, replication.system_s, rows)
    if admission is not None:
        yield from same_area("the admission queue", admission.waited_s, rows["queue_wait_s"], rows)


def same_area(where: str, area_s: float, times_s: np.ndarray, rows: np.ndarray) -> Iterator[Violation]:
    """∫ N dt = Σ times, to RELATIVE and the resolution of the clock at each of the times' two ends."""
    total_s = float(times_s.sum())
    end_s = float((rows["arrival_s"] + rows["latency_s"]).max()) if len(rows) else 0.0
    if abs(area_s - total_s) > RELATIVE * total_s + 2 * len(rows) * np.spacing(end_s):
        yield Violation(f"Little's law in {where}: the area under the number inside is {area_s!r} s, the times inside sum to {total_s!r} s")


def attempts_and_cost(replication: Replication) -> Iterator[Violation]:
    rows, attempts = replication.requests, replication.attempts
    place = np.searchsorted(rows["request"], attempts["request"]) if len(rows) else np.zeros(len(attempts), np.int64)
    if len(attempts) and (place.max() >= len(rows) or np.any(rows["request"][place] != attempts["request"])):
        yield Violation("an attempt belongs to no request")
        return
    counted = np.bincount(place, minlength=len(rows))
    if np.any(differ := counted != rows["attempts"]):
        yield at("a request and its attempts disagree on their number", rows, differ)
    seen = sum(sum(visits.values()) for provider in replication.providers.values() for visits in provider.visits.values())
    if seen != len(attempts):
        yield Violation(f"providers saw {seen} attempts, the gateway made {len(attempts)}")
    if np.any(unasked := (rows["outcome"] == 0) & (np.bincount(place[attempts["status"] == 200], minlength=len(rows)) < 1)):
        yield at("a request was answered, but no provider answered it", rows, unasked)
    cost = np.bincount(place, weights=attempts["cost_usd"], minlength=len(rows))
    if np.any(differ := np.abs(cost - rows["cost_usd"]) > RELATIVE * cost):
        yield at("the cost of a request is not that of its attempts", rows, differ)


def bounds(replication: Replication) -> Iterator[Violation]:
    rows, samples, admission = replication.requests, replication.samples, replication.gateway.admission
    slack_s = 8 * np.spacing(rows["arrival_s"] + replication.system_s)
    for column in NEVER_NEGATIVE:
        if np.any(negative := rows[column] < (-slack_s if column == "latency_s" else 0)):
            yield at(f"{column} is negative", rows, negative)
    spent_s = np.sum([rows[column] for column in PARTS], axis=0)
    if np.any(longer := spent_s > replication.system_s * (1 + RELATIVE) + slack_s):
        yield at("a request waited for longer than it was there", rows, longer)
    if admission is not None:
        for column, most in (("waiting", admission.capacity), ("in_service", admission.concurrency)):
            level = samples[column]
            if np.any((level < 0) | (level > most)):
                yield Violation(f"{column} at the gateway was {level.max()}, its limit is {most}")


def at(says: str, rows: np.ndarray, mask: Any) -> Violation:
    """A violation that shows first at the earliest of the masked rows."""
    first = rows[mask][int(np.argmin(rows["arrival_s"][mask]))]
    return Violation(says, int(first["request"]), float(first["arrival_s"]))
