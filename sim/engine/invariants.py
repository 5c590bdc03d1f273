"""What must hold on every replication, whatever the scenario, checked on every run. A violation stops it and says how to replay it.

Conservation: every request that arrived ended once, and nobody is left inside. Little's law, exactly: the area under the number inside
(kept by those who count in and out) equals the sum of the times spent there (kept by the requests). Every attempt that a provider saw
belongs to a request, and every dollar of a request to an attempt. A refusal names its limit. Nothing is negative or over its limit.

Tables of a long run do not fit into the processor's caches, so requests are gone through once, block by block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, NamedTuple

import numpy as np

from sim.data.outcomes import NAMES, OK, RATE_LIMITED, REJECTED
from sim.gateway.rows import COSTS, WAITS
from sim.kernel.refusals import NOT_REFUSED

RELATIVE = 1e-9
BLOCK = 1 << 16  # rows
NEVER_NEGATIVE = (*WAITS, *COSTS, "attempts", "input_tokens", "output_tokens", "cached_tokens", "cost_usd")
LAWS = (
    "a request ended twice",
    "a request has no outcome",
    "a request was refused, but no limit says that it did",
    "a request and its attempts disagree on their number",
    "a request was answered, but no provider answered it",
    "the cost of a request is not that of its attempts",
    "the cached tokens of a request are not those of its attempts",
    "latency_s is negative",
    *(f"{name} is negative" for name in NEVER_NEGATIVE),
    "a request waited for longer than it was there",
)


def breaches(rows: np.ndarray, previous: int, made: Made, slack_s: float) -> tuple[np.ndarray, ...]:
    """For each of LAWS a mask of the rows that break it. ``previous``: the request before the first; ``made``: what their attempts say;
    ``slack_s``: the resolution of the clock.
    """
    outcome, refused_by, latency_s = rows["outcome"], rows["refused_by"], rows["latency_s"]
    nothing = np.zeros(len(rows))
    waited_s = sum((rows[name] for name in WAITS if name in rows), start=nothing)
    own_usd = sum((rows[name] for name in COSTS if name in rows), start=nothing)
    return (
        np.diff(rows["request"], prepend=previous) <= 0,
        ~np.isin(outcome, tuple(NAMES)),
        ((outcome == REJECTED) | (outcome == RATE_LIMITED)) & (refused_by == NOT_REFUSED),
        rows["attempts"] != made.attempts,
        (outcome == OK) & (made.answers == 0),
        np.abs(rows["cost_usd"] - own_usd - made.cost_usd) > RELATIVE * rows["cost_usd"],
        rows["cached_tokens"] != made.cached_tokens,
        latency_s < -slack_s,
        *(rows[name] < 0 if name in rows else np.zeros(len(rows), bool) for name in NEVER_NEGATIVE),
        waited_s > latency_s * (1 + RELATIVE) + slack_s,
    )


class Violation(NamedTuple):
    """What does not hold, and where: the request and its arrival, where one can be named."""

    says: str
    request: int | None = None
    at_s: float | None = None


class InvariantViolated(AssertionError):
    """The model contradicts itself: a defect of Tenfold, never of a scenario."""


class Inside(NamedTuple):
    """Calls in the gateway, as the driver counted them: ``entered`` in all, ``left_over`` at the end, the integral of their number over
    time up to ``at_s``."""

    entered: int
    left_over: int
    area_s: float
    at_s: float


class Leftovers(NamedTuple):
    """What the gateway and the providers hold when everything is over, which should be nothing; and what only they have counted.

    ``leaders``: prompts that some call is said to ask for. ``waited_s``: the integral of the number waiting for admission over time; with
    ``concurrency`` and ``capacity``, the limits of those in service and waiting. ``seen``: attempts that reached the providers.
    """

    in_service: int = 0
    waiting: int = 0
    in_flight: Mapping[str, int] = {}
    leaders: int = 0
    at_provider: Mapping[str, int] = {}
    seen: int = 0
    waited_s: float = 0.0
    concurrency: float = inf
    capacity: float = inf

    def held(self) -> dict[str, int]:
        """Counts in words."""
        return {
            "slots": self.in_service,
            "places in the line": self.waiting,
            **{f"calls to {target}": count for target, count in self.in_flight.items()},
            **{f"places at {provider}": count for provider, count in self.at_provider.items()},
            "identical prompts under way": self.leaders,
        }


class Replication(NamedTuple):
    """One replication at its end: its rows, requests in the order of their numbers; ``samples`` are rows of schema.TIMELINE."""

    requests: np.ndarray
    attempts: np.ndarray
    samples: np.ndarray
    inside: Inside
    leftovers: Leftovers


class Made(NamedTuple):
    """What the attempts say of each request: how many there were, how many succeeded, what they cost and read from a prompt cache."""

    attempts: np.ndarray
    answers: np.ndarray
    cost_usd: np.ndarray
    cached_tokens: np.ndarray


def hold(replication: Replication, replay: str) -> None:
    """Raises InvariantViolated with the first violation, where it shows, and the command that replays the run."""
    violation = next(violations(replication), None)
    if violation is not None:
        where = "" if violation.request is None else f", first at request {violation.request} ({violation.at_s:.9g} s)"
        raise InvariantViolated(f"invariant broken: {violation.says}{where}; to replay: {replay}")


def violations(replication: Replication) -> Iterator[Violation]:
    yield from conservation(replication)
    place = places_of(replication.attempts["request"], replication.requests["request"])
    if place is None:
        yield Violation("an attempt belongs to no request")
    else:
        yield from requests(replication, made_by(replication.attempts, place, len(replication.requests)))
    yield from levels(replication)


def conservation(replication: Replication) -> Iterator[Violation]:
    rows, inside, left = replication.requests, replication.inside, replication.leftovers
    if len(rows) != inside.entered or inside.left_over:
        yield Violation(f"{inside.entered} requests arrived, {len(rows)} ended and {inside.left_over} are still inside")
    for what, count in left.held().items():
        if count:
            yield Violation(f"when everything was over, {count} {what} were still held")
    if left.seen != len(replication.attempts):
        yield Violation(f"providers saw {left.seen} attempts, the gateway made {len(replication.attempts)}")


def places_of(requests: np.ndarray, numbers: np.ndarray) -> np.ndarray | None:
    """The place of each attempt's request among ``numbers``, which rise; None if one is not there."""
    if not len(requests):
        return np.zeros(0, np.int64)
    if not len(numbers):
        return None
    if numbers[-1] - numbers[0] == len(numbers) - 1:  # one after the other, as in most runs
        place = requests - numbers[0]
        return place if place.min() >= 0 and place.max() < len(numbers) else None
    place = np.minimum(np.searchsorted(numbers, requests), len(numbers) - 1)
    return place if np.array_equal(numbers[place], requests) else None


def made_by(attempts: np.ndarray, place: np.ndarray, count: int) -> Made:
    def total(name: str) -> np.ndarray:
        return np.bincount(place, weights=attempts[name], minlength=count)

    return Made(
        np.bincount(place, minlength=count),
        np.bincount(place[attempts["status"] == 200], minlength=count),
        total("cost_usd"),
        total("cached_tokens"),
    )


def requests(replication: Replication, made: Made) -> Iterator[Violation]:
    """Every law of a row, then Little's law of them all."""
    rows, left, end_s = replication.requests, replication.leftovers, replication.inside.at_s
    slack_s = 8 * float(np.spacing(end_s))
    previous = -1
    times_s = waits_s = 0.0
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        block = contiguous(rows[part])
        broken = breaches(block, previous, Made(*(column[part] for column in made)), slack_s)
        for says, breach in zip(LAWS, broken, strict=True):
            if breach.any():
                first = np.flatnonzero(breach)[int(np.argmin(block["arrival_s"][breach]))]
                yield Violation(says, int(block["request"][first]), float(block["arrival_s"][first]))
        times_s, waits_s = times_s + float(block["latency_s"].sum()), waits_s + float(block["queue_wait_s"].sum())
        previous = int(block["request"][-1])
    ends_s = 2 * len(rows) * float(np.spacing(end_s))
    yield from same_area("the system", replication.inside.area_s, times_s, ends_s)
    yield from same_area("the admission queue", left.waited_s, waits_s, ends_s)


def contiguous(rows: np.ndarray) -> Any:
    """Columns that are looked at, each in one piece: several looks at a column of rows that lie far apart take several times as long."""
    names = ("request", "arrival_s", "outcome", "refused_by", "latency_s", *NEVER_NEGATIVE)
    return Columns({name: np.ascontiguousarray(rows[name]) for name in names if name in (rows.dtype.names or ())}, len(rows))


class Columns(dict[str, np.ndarray]):
    """Columns of a block of rows, by name."""

    def __init__(self, columns: dict[str, np.ndarray], count: int) -> None:
        super().__init__(columns)
        self.count = count

    def __len__(self) -> int:
        return self.count


def same_area(where: str, area_s: float, total_s: float, slack_s: float) -> Iterator[Violation]:
    """∫ N dt = Σ times, to RELATIVE and the resolution of the clock at each of the times' two ends."""
    if abs(area_s - total_s) > RELATIVE * total_s + slack_s:
        yield Violation(f"Little's law in {where}: the area under the number inside is {area_s!r} s, the times inside sum to {total_s!r} s")


def levels(replication: Replication) -> Iterator[Violation]:
    left = replication.leftovers
    for column, most in (("waiting", left.capacity), ("in_service", left.concurrency)):
        level = replication.samples[column]
        if np.any((level < 0) | (level > most)):
            yield Violation(f"{column} at the gateway was {level.max()}, its limit is {most:g}")
