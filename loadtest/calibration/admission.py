"""Admission: how many requests are in service at once, how many wait behind them, and for how long.

Many requests are sent shortly one after the other, each of which takes the providers so long that none ends while the others come. What
the mocks serve at once is the limit in service; what starts only when another one has ended has waited; what was refused at once found the
waiting room full; what was refused later had waited too long. Where the room was left in time, one more is made to wait behind requests
that take longer. They do not come all at once, since gateways hold those that wait for a connection in their waiting room, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from loadtest.calibration.bench import Attempt, Bench, Probe
from loadtest.calibration.figure import FOUND, Figure, duration, found, nothing, roundest, unknown

CROWDS = ((64, 2.5), (256, 6.0))  # requests, seconds each
PATIENCE_S = 12.0  # how long one is made to wait, unless a longer time is declared
LONGEST_S = 32.0
WAITERS = 3
SEND_S = 0.04  # from the client to the waiting room, a few at a time
VAGUE = 0.05
SPREAD, SPARSE_S = 0.25, 0.01  # share of the time a request is in service in which the crowd comes; at least so close
AT_ONCE_S, GAP_S = 0.25, 0.1
QUEUE = "gateway.queue"


class Crowd(NamedTuple):
    """What came of requests sent together. ``service_s``: how long the provider takes each."""

    service_s: float
    probes: list[Probe]
    attempts: Mapping[int, list[Attempt]]


async def experiment(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    """``declared``: values of the scenario by path; a declared limit beyond the usual crowd brings a larger one."""
    async with bench.slow_tokens():
        return await crowded(bench, declared)


async def crowded(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    hint = sum(value for name in ("concurrency", "waiting") if isinstance(value := declared.get(f"{QUEUE}.{name}"), int))
    crowds = [*CROWDS, *([(min(1000, int(1.3 * hint) + 8), 10.0)] if hint >= 240 else [])]
    crowd = None
    for size, service_s in crowds:
        allowed = size if bench.limit is None else min(size, bench.limit[0])
        crowd = await gather(bench, allowed, service_s)
        figures = estimate(crowd, allowed < size)
        if allowed < size or not (unlimited(figures) or endless(figures)):
            break
    assert crowd is not None
    timeout = next(figure for figure in figures if figure.name == "queue timeout")
    concurrency = next(figure for figure in figures if figure.name == "concurrency")
    room = next(figure for figure in figures if figure.name == "waiting room")
    if (timeout.state == "not found out" or vague(timeout)) and concurrency.state == "found" and room.value != 0:
        told_s = timeout.high or declared.get(f"{QUEUE}.timeout")
        hold_s = min(LONGEST_S, 1.3 * told_s + 1.0) if told_s else PATIENCE_S
        waiters = min(WAITERS, int(room.value)) if room.state == FOUND else WAITERS
        figures[figures.index(timeout)] = await wait_behind(bench, int(concurrency.value), hold_s, waiters)
    await bench.settle()
    return figures


async def gather(bench: Bench, size: int, service_s: float) -> Crowd:
    await bench.room(size)
    probes = await bench.one_by_one(size, service_s, min(SPARSE_S, SPREAD * service_s / size), patience_s=5 * service_s + 5.0)
    return Crowd(service_s, probes, await bench.attempts_of(probes))


def vague(figure: Figure) -> bool:
    """Whether the crowd was in its own way too much to tell a time: a few requests tell it better."""
    return figure.low is not None and figure.high is not None and figure.high - figure.low > VAGUE * figure.high


def unlimited(figures: Sequence[Figure]) -> bool:
    return figures[0].state == "none"


def endless(figures: Sequence[Figure]) -> bool:
    return any(figure.name == "waiting room" and figure.state == "not found out" for figure in figures)


def estimate(crowd: Crowd, curbed: bool = False) -> list[Figure]:
    """Concurrency, waiting room and queue timeout. ``curbed``: a rate limit let no larger crowd pass."""
    paths = [f"{QUEUE}.{name}" for name in ("concurrency", "waiting", "timeout")]
    names = ("concurrency", "waiting room", "queue timeout")
    size = len(crowd.probes)
    served = sorted((rows[0] for rows in crowd.attempts.values() if rows), key=lambda attempt: attempt.started_s)
    refused = [probe for probe in crowd.probes if not crowd.attempts[probe.prompt]]
    if not served:
        why = f"none of {size} requests reached a provider"
        return [unknown(name, path, why) for name, path in zip(names, paths, strict=True)]
    first_end_s = min(attempt.ended_s for attempt in served)
    at_once = sum(attempt.started_s < first_end_s for attempt in served)
    late = [attempt for attempt in served if attempt.started_s >= first_end_s]
    if at_once == size:
        why = f"{size} requests at once were all in service{'; a rate limit lets no more pass' if curbed else ''}"
        if curbed:
            return [unknown(name, path, why) for name, path in zip(names, paths, strict=True)]
        return [nothing(name, path, why) for name, path in zip(names, paths, strict=True)]
    last_start_s = max(attempt.started_s for attempt in served if attempt.started_s < first_end_s)
    if first_end_s - last_start_s < 0.2 * crowd.service_s and not refused:
        why = f"{at_once} of {size} were in service when the first one ended, and more kept coming: the gateway was too slow for a crowd"
        return [unknown(name, path, why) for name, path in zip(names, paths, strict=True)]
    concurrency = found(
        names[0], paths[0], at_once,
        f"of {size} requests at once, {at_once} were in service, and no other for {first_end_s - last_start_s:.2f} s until one ended",
        at_once, at_once,
    )  # fmt: skip
    sent = {probe.prompt: probe.sent_s for probe in crowd.probes}
    rush_s = max(attempt.started_s - sent[attempt.prompt] for attempt in served if attempt.started_s < first_end_s)
    at_once_refused = refused_at_once(refused, rush_s)
    too_late = [probe for probe in refused if probe not in at_once_refused and probe.status]
    waited = size - at_once - len(at_once_refused)
    if at_once_refused:
        statuses = sorted({probe.status for probe in at_once_refused})
        how = f"{len(at_once_refused)} of {size} were refused at once ({', '.join(map(str, statuses))}), {waited} waited"
        outside = {probe.prompt for probe in at_once_refused}
        most = most_at_once(
            [span for probe in crowd.probes if (span := wait_of(probe, crowd, first_end_s)) and probe.prompt not in outside]
        )
        if most != waited:
            how += f", {most} at most at a time"
        room = found(names[1], paths[1], most, how, most, most)
    else:
        room = unknown(names[1], paths[1], f"{waited} waited and none was refused at once: it holds at least so many", waited)
    return [concurrency, room, timeout_of([probe.latency_s for probe in too_late], waited, len(late), rush_s)]


def wait_of(probe: Probe, crowd: Crowd, first_end_s: float) -> tuple[float, float] | None:
    """From its sending to its first attempt, or to the refusal; None for one that was in service before any other ended."""
    rows = crowd.attempts[probe.prompt]
    if rows and rows[0].started_s < first_end_s:
        return None
    return probe.sent_s, rows[0].started_s if rows else probe.ended_s


def most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    moves = sorted([(begun_s, 1) for begun_s, _ in spans] + [(ended_s, -1) for _, ended_s in spans])
    return max(accumulate(move for _, move in moves), default=0)


def refused_at_once(refused: Sequence[Probe], rush_s: float) -> list[Probe]:
    """Those refused before the widest gap in the times until refusal: a crowd is refused one by one, waits end together, later.

    ``rush_s``: how long a request takes in such a crowd to get through the gateway.
    """
    ordered = sorted(refused, key=lambda probe: probe.latency_s)
    if not ordered or ordered[0].latency_s > max(AT_ONCE_S, 2.0 * rush_s):
        return []
    gaps_s = [later.latency_s - earlier.latency_s for earlier, later in pairwise(ordered)]
    widest_s = max(gaps_s, default=0.0)
    place = gaps_s.index(widest_s) + 1 if gaps_s else 0
    return ordered[:place] if widest_s > max(GAP_S, 0.4 * ordered[place].latency_s) else ordered


def timeout_of(waits_s: Sequence[float], waited: int, let_in: int, rush_s: float) -> Figure:
    """``rush_s``: how long a request takes in such a crowd to get from the client through the gateway."""
    path = f"{QUEUE}.timeout"
    if not waited:
        return nothing("queue timeout", path, "nobody waits")
    if not waits_s:
        return unknown("queue timeout", path, f"all {let_in} that waited were let in before any gave up")
    low, high = min(waits_s), max(waits_s)
    if high - low > 0.1 * high + 0.1:
        return unknown("queue timeout", path, f"requests that waited were refused after {low:.2f} to {high:.2f} s: no one time")
    evidence = f"{len(waits_s)} of {waited} that waited were refused after {low:.3f} to {high:.3f} s"
    at_least_s = max(0.5 * low, low - rush_s - 0.005)
    return found("queue timeout", path, duration(roundest(at_least_s, low)), evidence, at_least_s, high)


async def wait_behind(bench: Bench, concurrency: int, hold_s: float, count: int) -> Figure:
    """Fill all places for ``hold_s``, and see when ``count`` who wait are refused."""
    await bench.settle()
    await bench.room(concurrency + count)
    holders = [asyncio.create_task(bench.ask(hold_s, patience_s=hold_s + 5.0)) for _ in range(concurrency)]
    await asyncio.sleep(0.3 + 0.005 * concurrency)
    waiters = await bench.together(count, 0.0, patience_s=hold_s + 8.0)
    held = await asyncio.gather(*holders)
    attempts = await bench.attempts_of([*waiters, *held])
    refused = [probe for probe in waiters if not attempts[probe.prompt] and probe.status]
    waited_s = max(probe.latency_s for probe in waiters)
    if not refused:
        cut = sum(not probe.ok for probe in held)
        how = f"those who waited were let in after {waited_s:.1f} s{'; the gateway cut the requests before them' if cut else ''}"
        figure = nothing("queue timeout", f"{QUEUE}.timeout", how)
        return replace(figure, warning=f"none up to {waited_s:.1f} s; a longer one would not have been seen")
    return timeout_of([probe.latency_s for probe in refused], count, 0, SEND_S)
