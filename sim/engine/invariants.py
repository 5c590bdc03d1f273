"""What must hold on every replication, whatever the scenario, checked on every run. A violation stops it and says how to replay it.

Conservation: every request that arrived ended once, and nobody is left inside. Little's law, exactly: the area under the number inside
(kept by those who count in and out) equals the sum of the times spent there (kept by the requests). Every attempt that a provider saw
belongs to a request, and every dollar of a request to an attempt. Nothing is negative or over its limit.

Tables of a long run do not fit into the processor's caches, so each is gone through once, block by block. What must hold of a row is
written once, in ``breaches``: over the columns of a block here, over one row after the other where a world has it compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.data.schema import OUTCOMES

if TYPE_CHECKING:
    from sim.gateway.assembled import Gateway
    from sim.provider.behaviour import ProviderState

RELATIVE = 1e-9
NUMBER_OF_OUTCOMES = len(OUTCOMES)
BLOCK = 4096  # rows
LAWS = (
    "a request ended twice", "a request has no outcome", "a request and its attempts disagree on their number",
    "a request was answered, but no provider answered it", "the cost of a request is not that of its attempts",
    "latency_s is negative", "queue_wait_s is negative", "coalesced_s is negative", "cpu_s is negative", "failed_s is negative",
    "backoff_s is negative", "attempts is negative", "input_tokens is negative", "output_tokens is negative", "cost_usd is negative",
    "a request waited for longer than it was there",
)  # fmt: skip


def breaches(row: Any, previous: Any, system_s: Any, made: Any, answers: Any, cost_usd: Any, slack_s: float) -> tuple[Any, ...]:
    """Which of LAWS the row breaks. ``previous``: the request before it; ``made``, ``answers``, ``cost_usd``: its attempts, those that
    succeeded, and what they cost; ``slack_s``: the resolution of the clock. All of one row, or columns of many.
    """
    waited_s = row.queue_wait_s + row.coalesced_s + row.cpu_s + row.failed_s + row.backoff_s
    return (
        row.request <= previous,
        (row.outcome < 0) | (row.outcome >= NUMBER_OF_OUTCOMES),
        row.attempts != made,
        (row.outcome == 0) & (answers == 0),
        abs(row.cost_usd - cost_usd) > RELATIVE * cost_usd,
        row.latency_s < -slack_s,
        row.queue_wait_s < 0,
        row.coalesced_s < 0,
        row.cpu_s < 0,
        row.failed_s < 0,
        row.backoff_s < 0,
        row.attempts < 0,
        row.input_tokens < 0,
        row.output_tokens < 0,
        row.cost_usd < 0,
        waited_s > system_s * (1 + RELATIVE) + slack_s,
    )


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


class Totals(NamedTuple):
    """Of the requests in a block: seconds inside, seconds of these in the admission queue, whether all LAWS hold."""

    system_s: float
    queue_wait_s: float
    sound: bool


class Passes(NamedTuple):
    """How a block of rows is gone through: ``tally`` attempts, and the ``totals`` of requests (with the arguments of ``breaches``)."""

    tally: Callable[..., bool]
    totals: Callable[..., Totals]


class Replication(NamedTuple):
    """One replication at its end. ``requests`` and ``attempts`` are its rows, ``system_s`` the seconds each request spent inside in the
    order of ``requests``, ``system`` the number inside as the world counted it, ``samples`` rows of schema.TIMELINE, ``seen`` the
    attempts that reached the providers, unless these have counted them by prompt.
    """

    requests: np.ndarray
    attempts: np.ndarray
    system_s: np.ndarray
    system: Level
    gateway: Gateway
    providers: dict[str, ProviderState]
    samples: np.ndarray
    seen: int | None = None
    passes: Passes | None = None


def hold(replication: Replication, replay: str) -> None:
    """Raises InvariantViolated with the first violation, where it shows, and the command that replays the run."""
    violation = next(violations(replication), None)
    if violation is not None:
        where = "" if violation.request is None else f", first at request {violation.request} ({violation.at_s:.9g} s)"
        raise InvariantViolated(f"invariant broken: {violation.says}{where}; to replay: {replay}")


def violations(replication: Replication) -> Iterator[Violation]:
    yield from conservation(replication)
    rows = len(replication.requests)
    made = Made(np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows))
    yield from attempts(replication, made)
    yield from requests(replication, made)
    yield from levels(replication)


def conservation(replication: Replication) -> Iterator[Violation]:
    rows, system, gateway = replication.requests, replication.system, replication.gateway
    if len(rows) != system.entered or system.inside:
        yield Violation(f"{system.entered} requests arrived, {len(rows)} ended and {system.inside} are still inside")
    held = {} if gateway.admission is None else {"slots": gateway.admission.in_service, "places in the line": gateway.admission.waiting}
    held |= {f"calls to {target.name}": target.in_flight for target in gateway.targets}
    held |= {f"places at {name}": provider.in_service for name, provider in replication.providers.items()}
    held |= {"identical prompts under way": len(gateway.cache.flights)} if gateway.cache is not None else {}
    for what, count in held.items():
        if count:
            yield Violation(f"when everything was over, {count} {what} were still held")


class Made(NamedTuple):
    """What the attempts say of each request: how many there were, how many succeeded, what they cost."""

    attempts: np.ndarray
    answers: np.ndarray
    cost_usd: np.ndarray


def attempts(replication: Replication, made: Made) -> Iterator[Violation]:
    """Fills ``made``."""
    passes = replication.passes or OVER_COLUMNS
    numbers = replication.requests["request"]
    in_turn = len(numbers) > 0 and numbers[-1] - numbers[0] == len(numbers) - 1  # as in most runs, or LAWS do not hold
    for attempts in blocks(replication.attempts):
        if in_turn:
            known = passes.tally(attempts, int(numbers[0]), *made)
        else:
            place = np.minimum(np.searchsorted(numbers, attempts["request"]), len(numbers) - 1)
            known = len(numbers) > 0 and np.array_equal(numbers[place], attempts["request"])
            if known:
                count(attempts, place, *made)
        if not known:
            yield Violation("an attempt belongs to no request")
            break
    seen = seen_by(replication.providers) if replication.seen is None else replication.seen
    if seen != len(replication.attempts):
        yield Violation(f"providers saw {seen} attempts, the gateway made {len(replication.attempts)}")


def seen_by(providers: dict[str, ProviderState]) -> int:
    return sum(sum(visits.values()) for provider in providers.values() for visits in provider.visits.values())


def requests(replication: Replication, made: Made) -> Iterator[Violation]:
    """Every law of a row, then Little's law of them all."""
    admission, end_s = replication.gateway.admission, replication.system.at_s
    slack_s = 8 * float(np.spacing(end_s))
    passes = replication.passes or OVER_COLUMNS
    times_s = waits_s = 0.0
    previous = -1
    start = 0
    for rows in blocks(replication.requests):
        block = slice(start, start + len(rows))
        of_rows = (rows, previous, replication.system_s[block], made.attempts[block], made.answers[block], made.cost_usd[block], slack_s)
        inside_s, waited_s, sound = passes.totals(*of_rows)
        if not sound:
            yield from broken(*of_rows)
        times_s, waits_s = times_s + inside_s, waits_s + waited_s
        previous, start = int(rows["request"][-1]), block.stop
    yield from same_area("the system", replication.system.area_s, times_s, 2 * start * np.spacing(end_s))
    if admission is not None:
        yield from same_area("the admission queue", admission.waited_s, waits_s, 2 * start * np.spacing(end_s))


def same_area(where: str, area_s: float, total_s: float, slack_s: float) -> Iterator[Violation]:
    """∫ N dt = Σ times, to RELATIVE and the resolution of the clock at each of the times' two ends."""
    if abs(area_s - total_s) > RELATIVE * total_s + slack_s:
        yield Violation(f"Little's law in {where}: the area under the number inside is {area_s!r} s, the times inside sum to {total_s!r} s")


def levels(replication: Replication) -> Iterator[Violation]:
    samples, admission = replication.samples, replication.gateway.admission
    if admission is not None:
        for column, most in (("waiting", admission.capacity), ("in_service", admission.concurrency)):
            level = samples[column]
            if np.any((level < 0) | (level > most)):
                yield Violation(f"{column} at the gateway was {level.max()}, its limit is {most}")


def blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


class Columns:
    """Rows as one object of columns."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def __getattr__(self, name: str) -> np.ndarray:
        column = self.__dict__[name] = np.ascontiguousarray(self.rows[name])
        return column


def tally(attempts: np.ndarray, first: int, made: np.ndarray, answers: np.ndarray, cost_usd: np.ndarray) -> bool:
    """Count attempts at their requests, which are numbered one after the other from ``first``. False if one belongs to none."""
    place = attempts["request"] - first
    if place.min() < 0 or place.max() >= len(made):
        return False
    count(attempts, place, made, answers, cost_usd)
    return True


def count(attempts: np.ndarray, place: np.ndarray, made: np.ndarray, answers: np.ndarray, cost_usd: np.ndarray) -> None:
    np.add.at(made, place, 1)
    np.add.at(answers, place[attempts["status"] == 200], 1)
    np.add.at(cost_usd, place, np.ascontiguousarray(attempts["cost_usd"]))


def over_columns(rows: np.ndarray, previous: int, system_s: np.ndarray, *others: Any) -> Totals:
    sound = not any(breach.any() for breach in breaches(*columns(rows, previous), system_s, *others))
    return Totals(float(system_s.sum()), float(rows["queue_wait_s"].sum()), sound)


OVER_COLUMNS = Passes(tally, over_columns)


def columns(rows: np.ndarray, previous: int) -> tuple[Columns, np.ndarray]:
    """The rows by columns, and the request before each."""
    return Columns(rows), np.concatenate([[previous], rows["request"][:-1]])


def broken(rows: np.ndarray, previous: int, *others: Any) -> Iterator[Violation]:
    """The laws that do not hold in a block, each at its earliest breach."""
    for says, breach in zip(LAWS, breaches(*columns(rows, previous), *others), strict=True):
        if breach.any():
            first = rows[breach][int(np.argmin(rows["arrival_s"][breach]))]
            yield Violation(says, int(first["request"]), float(first["arrival_s"]))
