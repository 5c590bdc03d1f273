"""How much: what the gateway itself takes for a call, before and after its provider and for each streamed piece, and where it ends.

Requests come one by one at a low rate, and closer at a higher one; between them the same requests go to the mock itself. What the client's
clock says of those is the instrument's own: what cannot be told from it is no figure of the gateway. The CPU is that of its processes,
where this machine tells.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from loadtest.calibration.bench import Attempt, Bench, Probe
from loadtest.calibration.figure import Figure, duration, found, nothing, unknown
from loadtest.calibration.laws import MISFIT, fit_demand, mean_interval

LOW_RPS, LOW_S = 10.0, 8.0
HIGH_RPS, HIGH_S = 40.0, 5.0
SERVICE_S = 0.05
STREAM_RPS, STREAM_S, TOKENS = 10.0, 5.0, 50
CROWD, CROWD_S, CROWD_SERVICE_S = 32, 4.0, 0.02
IDLE_S = 1.0
STALL_S, STALL = 0.05, 10.0  # an answer later than this, and than so many medians, was held up by something else than its own work
FULL = 0.85  # of a core, from which on a process has nothing left
THREADED = 0.15
IDLE = 0.02  # cores: less is too little to tell one process from another
TICK_S = 0.01  # of the system's account of CPU time
LEAST_CPU_S = 5e-5
LEAST_ANSWERS = 50
PATH, PATH_AFTER, PATH_TOKEN, PATH_STALLS = (f"gateway.{word}" for word in ("cpu_per_request", "cpu_after", "cpu_per_token", "stalls"))
LEAST_PART = 0.05  # of the work for a call that is told apart as before or after the provider
LEAST_STALLS = 3  # of which a law is laid over


class Phase(NamedTuple):
    """Requests at one rate: what the client and the mocks saw, and the CPU that the gateway used meanwhile, None if not known."""

    probes: list[Probe]
    attempts: Mapping[int, list[Attempt]]
    cpu_s: float | None
    lasted_s: float

    def served(self) -> list[tuple[Probe, Attempt]]:
        return [(probe, rows[-1]) for probe in self.probes if probe.ok and (rows := self.attempts[probe.prompt])]

    def added_s(self) -> np.ndarray:
        """Client latency less the provider's, of each answer."""
        return np.array([probe.latency_s - (attempt.ended_s - attempt.started_s) for probe, attempt in self.served()])

    def before_s(self) -> np.ndarray:
        return np.array([attempt.started_s - probe.sent_s for probe, attempt in self.served()])

    def cpu_per_call_s(self, idle: float) -> float | None:
        """``idle``: CPU a second without any request."""
        count = len(self.served())
        return None if self.cpu_s is None or not count else max(0.0, self.cpu_s - idle * self.lasted_s) / count


async def experiment(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    high_rps = HIGH_RPS
    if bench.limit is not None:
        high_rps = min(HIGH_RPS, 0.8 * bench.limit[0] / bench.limit[1])
    if high_rps < 2.0:
        return [unknown("CPU for a call", PATH, "the rate limit lets too few requests pass to measure any")]
    low_rps = min(LOW_RPS, high_rps)
    await bench.room(bench.limit[0] if bench.limit else 0)
    await bench.clean(10)
    before_s = cpu_of(bench)
    await asyncio.sleep(IDLE_S)
    idle = 0.0 if before_s is None else max(0.0, (cpu_of(bench) or 0.0) - before_s) / IDLE_S
    if not bench.mock_models:
        return [unknown("CPU for a call", PATH, "no provider speaks the client's dialect, to tell the instrument's own delay")]
    instrument = await phase(bench.to_mock(), low_rps, LOW_S / 2)
    low = await phase(bench, low_rps, LOW_S)
    high = await phase(bench, high_rps, HIGH_S)
    streams = await phase(bench, min(STREAM_RPS, high_rps), STREAM_S, tokens=TOKENS, stream=True)
    figures = [*demand(instrument, low, high, idle), chunk_work(low, streams, idle), stalls(high)]
    if bench.limit is None:
        figures += await saturation(bench)
    return figures


def cpu_of(bench: Bench) -> float | None:
    return None if bench.processes is None else bench.processes.cpu_s()


async def phase(bench: Bench, rps: float, for_s: float, **more: Any) -> Phase:
    """Requests at even distances, whatever becomes of those before."""
    cpu_s, begun = cpu_of(bench), time.monotonic()
    tasks = []
    for number in range(round(rps * for_s)):
        await asyncio.sleep(max(0.0, begun + number / rps - time.monotonic()))
        tasks.append(asyncio.create_task(bench.ask(0.0 if more else SERVICE_S, **more)))
    probes = [await task for task in tasks]
    await asyncio.sleep(0.1)
    used_s = None if cpu_s is None else (cpu_of(bench) or 0.0) - cpu_s
    return Phase(probes, await bench.attempts_of(probes), used_s, time.monotonic() - begun)


def demand(instrument: Phase, low: Phase, high: Phase, idle: float) -> list[Figure]:
    """The law of the work for a call: its shape from the added latencies at the low rate, its mean from the CPU where that is known."""
    noise_s, added_s, busy_s = instrument.added_s(), low.added_s(), high.added_s()
    if len(noise_s) < 10 or len(added_s) < 20:
        why = f"{len(added_s)} answers came through the gateway and {len(noise_s)} from the mock itself: too few"
        return [unknown("added latency", None, why), unknown("CPU for a call", PATH, why)]
    low_s, high_s = mean_interval(added_s, noise_s)
    median_s = float(np.median(added_s) - np.median(noise_s))
    busy_median_s = float(np.median(busy_s) - np.median(noise_s)) if len(busy_s) else float("nan")
    told = (
        f"median {median_s * 1e3:.2f} ms at {rate_of(low):.3g}/s, {busy_median_s * 1e3:.2f} ms at {rate_of(high):.3g}/s; "
        f"the instrument's own {np.median(noise_s) * 1e3:.2f} ms is taken off"
    )
    if low_s <= 0.0:
        why = f"{told}: not to be told from the instrument's noise (mean {low_s * 1e3:.2f} to {high_s * 1e3:.2f} ms)"
        return [unknown("added latency", None, why), unknown("CPU for a call", PATH, why)]
    own_s, own_before_s = added_s - np.median(noise_s), low.before_s() - np.median(instrument.before_s())
    before_s = float(np.median(own_before_s))
    before = max(0.0, min(1.0, before_s / median_s))
    figures = [
        found("added latency", None, f"{median_s * 1e3:.3g}ms", told, low_s, high_s),
        found(
            "of it before the provider", None, f"{before:.0%}",
            f"requests came to the mock {before_s * 1e3:.2f} ms later through the gateway",
        ),
    ]  # fmt: skip
    if not LEAST_PART < before < 1.0 - LEAST_PART:
        return [*figures, cpu_law(own_s, low, high, idle), nothing("CPU after the provider", PATH_AFTER, f"{before:.0%} is before it")]
    return [
        *figures, cpu_law(own_before_s, low, high, idle, share=before),
        cpu_law(own_s - own_before_s, low, high, idle, "CPU after the provider", PATH_AFTER, 1.0 - before),
    ]  # fmt: skip


def cpu_law(
    own_s: np.ndarray, low: Phase, high: Phase, idle: float, name: str = "CPU for a call", path: str = PATH, share: float = 1.0
) -> Figure:
    """The law of a ``share`` of it: CPU is taken to be divided before and after the provider as the added latency is.
    Its shape is that of the added latencies ``own_s`` there at the low rate, where calls do not wait for each other; its mean is the CPU at
    the high rate, since CPU for a call falls with the rate. Without a CPU figure, latency is all there is.
    """
    low_s, high_s = low.cpu_per_call_s(idle), high.cpu_per_call_s(idle)
    if low_s is None or high_s is None:
        low_s = mean_s = float(own_s.mean())
        told = "from latency alone: the CPU of its processes is not known here"
    else:
        told = f"CPU of its processes: {low_s * 1e3:.2f} ms a call at {rate_of(low):.3g}/s, {high_s * 1e3:.2f} ms at {rate_of(high):.3g}/s"
        if share < 1.0:
            told += f"; {share:.0%} of it here, as of the added latency"
        low_s, mean_s = low_s * share, high_s * share
    if mean_s < LEAST_CPU_S:
        return unknown(name, path, f"{told}: less than the clock can tell")
    demand = fit_demand(own_s, mean_s)
    low_s, high_s = min(low_s, mean_s), max(low_s, mean_s)
    if demand.p >= MISFIT:
        told += f"; spread as the added latencies ({demand.law['kind']}, P = {demand.p:.2g})"
        return found(name, path, demand.law, told, low_s, high_s, ks_p=round(demand.p, 4), samples=len(own_s))
    why = f"no law fits the spread of the added latencies (P = {demand.p:.2g})"
    laid = f"{why}: the mean is measured, {demand.law['kind']} is only the nearer one to their coefficient of variation, {demand.cv:.2f}"
    figure = found(name, path, demand.law, f"{told}; {why}", low_s, high_s, ks_p=round(demand.p, 4), samples=len(own_s))
    return replace(figure, warning=laid)


def chunk_work(low: Phase, streams: Phase, idle: float) -> Figure:
    """What each streamed piece costs beyond the call."""
    name = "CPU for a streamed token"
    whole_s, stream_s = low.cpu_per_call_s(idle), streams.cpu_per_call_s(idle)
    if whole_s is None or stream_s is None:
        return unknown(name, PATH_TOKEN, "the CPU of its processes is not known here")
    each_s = (stream_s - whole_s) / TOKENS
    told = f"{stream_s * 1e3:.2f} ms for a stream of {TOKENS} tokens, {whole_s * 1e3:.2f} ms for a whole answer"
    blur_s = TICK_S * 2 / (TOKENS * max(1, len(streams.served())))
    if each_s < 2 * blur_s:
        return nothing(name, PATH_TOKEN, f"{told}: less than the clock can tell")
    return found(name, PATH_TOKEN, {"kind": "constant", "value": f"{each_s * 1e3:.3g}ms"}, told, each_s - blur_s, each_s + blur_s)


def stalls(high: Phase) -> Figure:
    """Answers held up by far more than the gateway's own work, such as by a garbage collection. Those that were sent while an earlier one
    was held up share its stall; fewer than LEAST_STALLS of them make no law.
    """
    added_s = high.added_s()
    if len(added_s) < LEAST_ANSWERS:
        return unknown("stalls", PATH_STALLS, f"{len(added_s)} answers are too few")
    bound_s = max(STALL_S, STALL * float(np.median(added_s)))
    late = added_s[added_s > bound_s]
    told = f"of {len(added_s)} answers at {rate_of(high):.3g}/s, {len(late)} came more than {bound_s * 1e3:.0f} ms late"
    if not len(late):
        return nothing("stalls", PATH_STALLS, told)
    sent_s = np.array([probe.sent_s for probe, _ in high.served()])[added_s > bound_s]
    over_s, lengths_s = -np.inf, []
    for at_s, late_s in sorted(zip(sent_s.tolist(), late.tolist(), strict=True)):
        if at_s > over_s:
            over_s = at_s + late_s
            lengths_s.append(late_s)
    if len(lengths_s) >= LEAST_STALLS:
        length_s = float(np.median(lengths_s))
        every_s = max(length_s, high.lasted_s / len(lengths_s) - length_s)
        law = {"every": duration(every_s), "for": duration(length_s), "spacing": "random"}
        return found("stalls", PATH_STALLS, law, f"{told}, in {len(lengths_s)} stalls", min(lengths_s), max(lengths_s))
    return found(
        "stalls", None, f"{late.max() * 1e3:.0f}ms", f"{told}, the latest {late.max() * 1e3:.0f} ms", float(late.min()), float(late.max())
    )


async def saturation(bench: Bench) -> list[Figure]:
    """As much as a crowd can get that asks again as soon as it is answered."""
    before = None if bench.processes is None else bench.processes.sample()
    own_s, begun, until_s = time.process_time(), time.monotonic(), bench.now() + CROWD_S
    served = 0

    async def one() -> None:
        nonlocal served
        while bench.now() < until_s:
            probe = await bench.ask(CROWD_SERVICE_S)
            served += probe.ok

    crowd = CROWD if bench.places is None else min(CROWD, bench.places)
    await asyncio.gather(*(one() for _ in range(crowd)))
    lasted_s = time.monotonic() - begun
    ours = (time.process_time() - own_s) / lasted_s
    rps = served / lasted_s
    after = None if bench.processes is None else bench.processes.sample()
    cores = None if before is None or after is None or not len(after) else cores_of(before, after, lasted_s)
    told = f"{crowd} clients that ask again at once got {rps:.0f} answers a second"
    if cores is not None:
        told += f", with {' + '.join(f'{each:.2f}' for each in cores) or f'less than {IDLE}'} cores of the gateway busy"
    return [limit_of_throughput(rps, cores, ours, told), workers(cores, told)]


def limit_of_throughput(rps: float, cores: Sequence[float] | None, ours: float, told: str) -> Figure:
    """``cores``: as of ``cores_of``, None where the CPU is not known."""
    name = "saturation throughput"
    if cores is None:
        return unknown(name, None, f"{told}; whether that is all it can do, its CPU would tell")
    if min(cores, default=0.0) < FULL:
        return unknown(name, None, f"{told}: it is not saturated, so it can do more (our own client used {ours:.2f} cores)")
    return found(name, None, f"{rps:.0f}/s", told, 0.95 * rps, 1.05 * rps)


def workers(cores: Sequence[float] | None, told: str) -> Figure:
    path = "gateway.workers"
    if cores is None:
        return unknown("workers", path, "the CPU of its processes is not known here")
    if not cores:
        return unknown("workers", path, f"{told}: too little to tell which of its processes work")
    if max(cores) > 1.0 + THREADED:
        return unknown("workers", path, f"{told}: a process with threads on several cores")
    return found("workers", path, len(cores), told, len(cores), len(cores))


def cores_of(before: np.ndarray, after: np.ndarray, lasted_s: float) -> list[float]:
    """Cores that each process has used, of those that did a tenth of the busiest one's work; the busiest first."""
    began = {int(row["pid"]): float(row["cpu_s"]) for row in before}
    used = sorted(((float(row["cpu_s"]) - began.get(int(row["pid"]), 0.0)) / lasted_s for row in after), reverse=True)
    return [each for each in used if each > 0.1 * used[0] and each > IDLE]


def rate_of(phase: Phase) -> float:
    return len(phase.probes) / phase.lasted_s
