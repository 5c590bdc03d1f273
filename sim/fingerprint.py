"""The fingerprint of a run: a SHA-256 over everything that happened and when. Same scenario, seed and engine: same fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from sim.records import OUTCOMES
from sim.run import Run
from sim.table import Columns

BLOCK = 50_000
"""Facts that are put into words at a time, or as many as happen at one moment: words take far more room than rows."""
Words = tuple[str, str, str]
Fact = tuple[float, str, str, str]


class Facts(NamedTuple):
    """Facts of one kind: when they happened, and what to call some of them, by their places: (kind, entity, outcome)."""

    at_s: np.ndarray
    words: Callable[[np.ndarray], list[Words]]


def fingerprint(run: Run) -> str:
    """Over rows of (time as float.hex, kind, entity, outcome), replication by replication, each in order of time, then of the words."""
    digest = hashlib.sha256()
    for replication in range(run.replications):
        for block in in_order([*requests(run, replication), *attempts(run, replication), events(run, replication)]):
            digest.update("".join(f"{at_s.hex()} {kind} {entity} {outcome}\n" for at_s, kind, entity, outcome in block).encode())
    return digest.hexdigest()


def in_order(kinds: list[Facts]) -> Iterator[list[Fact]]:
    """All facts, sorted, block by block."""
    at_s = np.concatenate([facts.at_s for facts in kinds])
    ends = np.cumsum([len(facts.at_s) for facts in kinds])
    order = np.argsort(at_s, kind="stable")
    moments = np.flatnonzero(np.diff(at_s[order], prepend=-np.inf))  # where another moment begins: no block ends within one
    cuts = [0, *moments[np.searchsorted(moments, np.arange(BLOCK, len(order), BLOCK), side="right") - 1].tolist(), len(order)]
    for start, stop in pairwise(cuts):
        places = order[start:stop]
        block: list[Fact] = []
        for facts, end in zip(kinds, ends, strict=True):
            mine = places[(places < end) & (places >= end - len(facts.at_s))] - (end - len(facts.at_s))
            block += [(when, *words) for when, words in zip(facts.at_s[mine].tolist(), facts.words(mine), strict=True)]
        yield sorted(block)


def requests(run: Run, replication: int) -> tuple[Facts, Facts]:
    """Arrivals and ends."""
    rows = Columns(run.requests, run.requests["replication"] == replication)
    request, outcome, arrival_s = rows["request"], rows["outcome"], rows["arrival_s"]

    def ended(places: np.ndarray) -> list[Words]:
        return [("end", f"{one}", OUTCOMES[how]) for one, how in zip(request[places].tolist(), outcome[places].tolist(), strict=True)]

    return (
        Facts(arrival_s, lambda places: [("arrival", f"{one}", "") for one in request[places].tolist()]),
        Facts(arrival_s + rows["latency_s"], ended),
    )


def attempts(run: Run, replication: int) -> tuple[Facts, Facts]:
    """Begun and over."""
    rows = Columns(run.attempts, run.attempts["replication"] == replication)
    request, attempt, target, status, started_s = (rows[name] for name in ("request", "attempt", "target", "status", "started_s"))

    def entities(places: np.ndarray) -> list[str]:
        columns = (column[places].tolist() for column in (request, attempt, target))
        return [f"{one}.{number}@{run.targets[at]}" for one, number, at in zip(*columns, strict=True)]

    def answered(places: np.ndarray) -> list[Words]:
        return [("answer", entity, f"{how}") for entity, how in zip(entities(places), status[places].tolist(), strict=True)]

    return (
        Facts(started_s, lambda places: [("attempt", entity, "") for entity in entities(places)]),
        Facts(started_s + rows["duration_s"], answered),
    )


def events(run: Run, replication: int) -> Facts:
    """Breaker moves and faults."""
    mine = [event for event in run.events if event.get("replication", 0) == replication]
    words = [(str(event["event"]), str(event.get("target", "")), str(event.get("state", ""))) for event in mine]
    return Facts(np.array([event["at_s"] for event in mine], dtype=float), lambda places: [words[place] for place in places.tolist()])
