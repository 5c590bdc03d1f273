"""Where a gateway ends: crowds of clients that ask again as soon as they are answered.

A few, answered at once by the mocks, keep a worker just busy: something comes out of it all the time, and a pause is a stall. Many show
how much it can do, and the CPU of a call among others. Their answers take differently long, so that their calls do not go through the
gateway side by side, step by step, as those of a crowd do that was answered together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from loadtest.calibration.bench import Bench, Probe
from loadtest.calibration.figure import Figure, duration, found, nothing, unknown

FEW, MANY = 4, 64
FEW_S = 24.0
MANY_S = 16.0  # some stalls, if there are any, lest one more or less change the CPU of a call
STALLS_S = 60.0  # as long as a few go on at most, for LEAST_STALLS
LEAST_STALLS = 4
ANSWERS_S = (0.05, 0.35)  # of the many, evenly in between
STALL_S, STALL = 0.1, 2.0  # a pause of all work longer than this, and than the crowd's calls take so many times, is a stall
REGULAR = 0.5  # coefficient of variation up to which calls between stalls are nearer to a constant (0) than to an exponential (1)
FULL = 0.85  # of a core, from which on a process has nothing left
THREADED = 0.15
IDLE = 0.02  # cores: less is too little to tell one process from another
PATH_STALLS, PATH_WORKERS = "gateway.stalls", "gateway.workers"


class Crowd(NamedTuple):
    """``cores`` as of ``cores_of``, ``cpu_s`` of all its processes, None where they are not known; ``ours``: cores that our client used."""

    clients: int
    probes: list[Probe]
    out_s: list[float]  # when something came out of the gateway, at the mocks or at the clients
    lasted_s: float
    cores: list[float] | None
    cpu_s: float | None
    ours: float

    @property
    def served(self) -> int:
        return sum(probe.ok for probe in self.probes)

    @property
    def rps(self) -> float:
        return self.served / self.lasted_s

    @property
    def is_full(self) -> bool:
        return bool(self.cores) and min(self.cores or ()) >= FULL

    def told(self) -> str:
        told = f"{self.clients} clients that ask again at once got {self.rps:.0f} answers a second"
        if self.cores is None:
            return told
        busy = " + ".join(f"{each:.2f}" for each in self.cores) or f"less than {IDLE}"
        return f"{told}, with {busy} cores of the gateway busy"


async def gather(bench: Bench, clients: int, answers_s: Sequence[float], goes_on: Callable[[list[Probe], float], bool]) -> Crowd:
    """``goes_on`` says so of what came until then, and of the seconds that went by."""
    before = None if bench.processes is None else bench.processes.sample()
    cpu_s = None if bench.processes is None else bench.processes.cpu_s()
    own_s, begun = time.process_time(), time.monotonic()
    probes: list[Probe] = []

    async def one() -> None:
        while goes_on(probes, time.monotonic() - begun):
            probes.append(await bench.ask(answers_s[len(probes) % len(answers_s)]))

    await asyncio.gather(*(one() for _ in range(clients)))
    lasted_s = time.monotonic() - begun
    ours = (time.process_time() - own_s) / lasted_s
    after = None if bench.processes is None else bench.processes.sample()
    used_s = None if cpu_s is None or bench.processes is None else bench.processes.cpu_s() - cpu_s
    mocks_s = [attempt.started_s for rows in (await bench.attempts_of(probes)).values() for attempt in rows]
    cores = None if before is None or after is None or not len(after) else cores_of(before, after, lasted_s)
    return Crowd(clients, probes, [*(probe.ended_s for probe in probes), *mocks_s], lasted_s, cores, used_s, ours)


async def few(bench: Bench) -> Crowd:
    """As long as it takes to see some stalls, if there are any."""
    clients = FEW if bench.places is None else min(FEW, bench.places)

    def goes_on(probes: list[Probe], after_s: float) -> bool:
        if after_s < FEW_S:
            return True
        seen = len(pauses([probe.ended_s for probe in probes], clients).lengths_s)
        return after_s < STALLS_S and 0 < seen < LEAST_STALLS

    return await gather(bench, clients, [0.0], goes_on)


async def many(bench: Bench) -> Crowd:
    clients = MANY if bench.places is None else min(MANY, bench.places)
    return await gather(bench, clients, np.linspace(*ANSWERS_S, 7).tolist(), lambda probes, after_s: after_s < MANY_S)


class Pauses(NamedTuple):
    """Of a crowd: how long each stall lasted, and how many calls were answered from one to the next."""

    lengths_s: list[float]
    calls: int
    between: list[int]


def pauses(times_s: Sequence[float], clients: int, each: int = 1) -> Pauses:
    """``times_s``: of whatever came out of the gateway, which ``clients`` always waited for, ``each`` times for a call."""
    times = np.sort(times_s)
    gaps_s, calls = np.diff(times), len(times) // each
    if not len(gaps_s):
        return Pauses([], calls, [])
    call_s = clients * each * float(times[-1] - times[0]) / len(times)  # Little's law
    places = np.flatnonzero(gaps_s > max(STALL_S, STALL * call_s))
    return Pauses(gaps_s[places].tolist(), calls, (np.diff(places) // each).tolist())


def figures(small: Crowd, crowd: Crowd) -> list[Figure]:
    return [limit_of_throughput(crowd.rps, crowd.cores, crowd.ours, crowd.told()), workers(crowd.cores, crowd.told()), stalls_of(small)]


def stalls_of(small: Crowd) -> Figure:
    if not small.is_full or len(small.cores or ()) != 1:
        why = f"{small.told()}: only one process that always has work shows that it stands still"
        return unknown("stalls", PATH_STALLS, why)
    return stalls(stalls_in(small), small.told())


def stalls_in(small: Crowd) -> Pauses:
    """Their lengths in CPU time of a process that always has work: others may hold it up."""
    seen = pauses(small.out_s, small.clients, 2)
    cores = 1.0 if not small.cores else min(1.0, small.cores[0])
    return seen._replace(lengths_s=[length_s * cores for length_s in seen.lengths_s])


def stalled_s(small: Crowd) -> float:
    """CPU seconds of stalls for each call."""
    seen = stalls_in(small)
    return sum(seen.lengths_s) / max(1, seen.calls)


def stalls(seen: Pauses, told: str) -> Figure:
    """Pauses in which nothing at all came out of the gateway though a few always waited, such as those of garbage collections."""
    count = len(seen.lengths_s)
    told = f"{told}; in {count} pauses nothing came out"
    if not count:
        return nothing("stalls", PATH_STALLS, told)
    even = len(seen.between) >= LEAST_STALLS - 1 and np.std(seen.between, ddof=1) <= REGULAR * np.mean(seen.between)
    calls = float(np.mean(seen.between)) if even else seen.calls / count
    if seen.between:
        told += f", {', '.join(map(str, seen.between))} calls apart"
    law = {"calls": max(1, round(calls)), "for": duration(float(np.median(seen.lengths_s))), "spacing": "even" if even else "random"}
    figure = found("stalls", PATH_STALLS, law, told, min(seen.lengths_s), max(seen.lengths_s))
    enough = count >= LEAST_STALLS
    return figure if enough else replace(figure, warning=f"seen {count} times only: how often they come is known badly")


def limit_of_throughput(rps: float, cores: Sequence[float] | None, ours: float, told: str) -> Figure:
    """``cores``: as of ``cores_of``, None where the CPU is not known."""
    name = "saturation throughput"
    if cores is None:
        return unknown(name, None, f"{told}; whether that is all it can do, its CPU would tell")
    if min(cores, default=0.0) < FULL:
        return unknown(name, None, f"{told}: it is not saturated, so it can do more (our own client used {ours:.2f} cores)")
    return found(name, None, f"{rps:.0f}/s", told, 0.95 * rps, 1.05 * rps)


def workers(cores: Sequence[float] | None, told: str) -> Figure:
    if cores is None:
        return unknown("workers", PATH_WORKERS, "the CPU of its processes is not known here")
    if not cores:
        return unknown("workers", PATH_WORKERS, f"{told}: too little to tell which of its processes work")
    if max(cores) > 1.0 + THREADED:
        return unknown("workers", PATH_WORKERS, f"{told}: a process with threads on several cores")
    return found("workers", PATH_WORKERS, len(cores), told, len(cores), len(cores))


def cores_of(before: np.ndarray, after: np.ndarray, lasted_s: float) -> list[float]:
    """Cores that each process has used, of those that did a tenth of the busiest one's work; the busiest first."""
    began = {int(row["pid"]): float(row["cpu_s"]) for row in before}
    used = sorted(((float(row["cpu_s"]) - began.get(int(row["pid"]), 0.0)) / lasted_s for row in after), reverse=True)
    return [each for each in used if each > 0.1 * used[0] and each > IDLE]
