"""How much: what the gateway itself takes for a call, alone and among others, before and after its provider and for each streamed piece.

Requests come one by one at a low rate, and closer at a higher one; between them the same requests go to the mock itself. What the client's
clock says of those is the instrument's own: what cannot be told from it is no figure of the gateway. The CPU is that of its processes,
where this machine tells. Crowds (``saturation.py``) show where it ends, and what a call costs there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from loadtest.calibration import saturation
from loadtest.calibration.bench import Attempt, Bench, Probe
from loadtest.calibration.figure import FOUND, Figure, duration, found, nothing, unknown
from loadtest.calibration.laws import MISFIT, fit_demand, mean_interval
from loadtest.calibration.saturation import Crowd
from loadtest.processes import yardstick

LOW_RPS, LOW_S = 10.0, 8.0
HIGH_RPS, HIGH_S = 40.0, 5.0
SERVICE_S = 0.05
STREAM_RPS, STREAM_S, TOKENS = 10.0, 5.0, 50
BURSTS, BURST, APART_S = 12, 4, 0.4
IDLE_S = 1.0
BUSY = 0.5  # of a core, up to which the higher rate makes it busy
TICK_S = 0.01  # of the system's account of CPU time
LEAST_CPU_S = 5e-5
WORDS = ("cpu_per_request", "cpu_after", "cpu_background", "cpu_per_token", "cpu_slice", "cpu_yardstick", "cpu_crowded")
PATH, PATH_AFTER, PATH_BEHIND, PATH_TOKEN, PATH_SLICE, PATH_YARDSTICK, PATH_CROWDED = (f"gateway.{word}" for word in WORDS)
LEAST_PART = 0.05  # of the work for a call that is told apart as before or after the provider, or as gone among others
AT_ONE_GO = 0.8  # of the work before the provider: slices longer than this are none


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
    with yardstick.watched() as speeds:
        low = await phase(bench, low_rps, LOW_S)
        cpu_s = low.cpu_per_call_s(idle) or (float(np.median(added_s)) if len(added_s := low.added_s()) else 0.0)
        high_rps = max(low_rps, min(high_rps, BUSY / max(cpu_s, 1e-4)))
        high = await phase(bench, high_rps, max(HIGH_S, 100 / high_rps))
        gathered = await bursts(bench) if bench.limit is None else []
        streams = await phase(bench, min(STREAM_RPS, high_rps / 3), STREAM_S, tokens=TOKENS, stream=True)
        crowds = (await saturation.few(bench), await saturation.many(bench)) if bench.limit is None else None
    limited = unknown("CPU among others", PATH_CROWDED, "the rate limit lets no crowd pass")
    crowded = limited if crowds is None else among_others(low, *crowds, idle)
    figures = [*demand(instrument, low, high, idle, crowded), crowded, slices(gathered), chunk_work(low, streams, idle)]
    return [*figures, machine_speed(speeds), *(() if crowds is None else saturation.figures(*crowds))]


def among_others(low: Phase, few: Crowd, many: Crowd, idle: float) -> Figure:
    """CPU of a call in a crowd that keeps the gateway busy, its share of the stalls taken off, beside that of one alone."""
    name, alone_s = "CPU among others", low.cpu_per_call_s(idle)
    if not alone_s or many.cpu_s is None:
        return unknown(name, PATH_CROWDED, "the CPU of its processes is not known here")
    if not many.is_full:
        return unknown(name, PATH_CROWDED, f"{many.told()}: it is not saturated")
    stalled_s = saturation.stalled_s(few)
    crowded_s = (many.cpu_s - idle * many.lasted_s) / many.served - stalled_s
    told = f"{crowded_s * 1e3:.2f} ms a call among {many.clients}, {alone_s * 1e3:.2f} ms alone"
    if stalled_s > 0.0:
        told += f"; {stalled_s * 1e3:.2f} ms of stalls are taken off"
    share = crowded_s / alone_s
    if share > 1.0 - LEAST_PART:
        return found(name, PATH_CROWDED, 1.0, told)
    blur = share * 2 * TICK_S / (alone_s * len(low.served()))
    return found(name, PATH_CROWDED, round(share, 3), told, share - blur, share + blur)


def machine_speed(speeds: list[float]) -> Figure:
    typical_s = yardstick.typical_s(speeds)
    if typical_s is None:
        return unknown("machine's yardstick", PATH_YARDSTICK, "it was measured too seldom")
    low_s, high_s = np.quantile(speeds, (0.1, 0.9))
    told = f"CPU time of a fixed piece of work, {len(speeds)} times meanwhile: {low_s * 1e3:.2f} to {high_s * 1e3:.2f} ms (P10, P90)"
    return found("machine's yardstick", PATH_YARDSTICK, duration(typical_s), told, float(low_s), float(high_s))


async def bursts(bench: Bench) -> list[Phase]:
    """BURST requests at once, again and again, on a gateway at rest."""
    seen = []
    for _ in range(BURSTS):
        probes = await bench.together(BURST, SERVICE_S)
        seen.append(Phase(probes, await bench.attempts_of(probes), None, 0.0))
        await asyncio.sleep(APART_S)
    return seen


def slices(gathered: Sequence[Phase]) -> Figure:
    """How long a worker is at one call before it turns to the next.

    Of k calls that come at once to one worker that works on them in turns, q at a time, the last one is done when all the work is, and the
    first one (k - 1) q earlier. Served one after the other they are done a whole call's work apart.
    """
    name = "CPU slice"
    full = [np.sort(each.before_s()) for each in gathered if len(each.served()) == BURST]
    if len(full) < BURSTS / 2:
        return unknown(name, PATH_SLICE, f"{len(full)} bursts of {BURST} requests were answered: too few")
    apart_s = float(np.median([(times[-1] - times[0]) / (BURST - 1) for times in full]))
    whole_s = float(np.median([times[-1] / BURST for times in full]))
    told = f"{BURST} requests at once came to the mock {apart_s * 1e3:.2f} ms apart, the last after {whole_s * BURST * 1e3:.1f} ms"
    if apart_s > AT_ONE_GO * whole_s or apart_s < LEAST_CPU_S:
        return nothing(name, PATH_SLICE, f"{told}: each at one go")
    return found(name, PATH_SLICE, duration(apart_s), told, 0.5 * apart_s, 1.5 * apart_s)


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


def demand(instrument: Phase, low: Phase, high: Phase, idle: float, crowded: Figure) -> list[Figure]:
    """The law of the work for a call: its shape from the added latencies at the low rate, its mean from the CPU where that is known: of a
    call alone, at the low rate, if ``crowded`` says how much less it is among others; else at the high rate.
    """
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
    parts = {"CPU for a call": (PATH, own_before_s), "CPU after the provider": (PATH_AFTER, own_s - own_before_s)}
    if not LEAST_PART < before < 1.0 - LEAST_PART:
        parts = {"CPU for a call": (PATH, own_s)}
        figures.append(nothing("CPU after the provider", PATH_AFTER, f"{before:.0%} is before it"))
    low_cpu_s, high_cpu_s = low.cpu_per_call_s(idle), high.cpu_per_call_s(idle)
    means_s = {name: float(np.median(own_s)) for name, (_, own_s) in parts.items()}
    if low_cpu_s is None or high_cpu_s is None:
        told, behind = "from latency alone: the CPU of its processes is not known here", []
    else:
        rates = ((low_cpu_s, low), (high_cpu_s, high))
        told = "CPU of its processes: " + ", ".join(f"{cpu_s * 1e3:.2f} ms a call at {rate_of(each):.3g}/s" for cpu_s, each in rates)
        if max(low_cpu_s, high_cpu_s) < LEAST_CPU_S:
            return [*figures, unknown("CPU for a call", PATH, f"{told}: less than the clock can tell")]
        in_answer = min(1.0, sum(means_s.values()) / low_cpu_s)  # of the work, which an answer waits for
        cpu_s = low_cpu_s if crowded.state == FOUND and crowded.value < 1.0 else high_cpu_s
        scale = cpu_s * in_answer / sum(means_s.values())
        means_s = {name: mean_s * scale for name, mean_s in means_s.items()}
        behind = [background(cpu_s, in_answer, told)]
    return [*figures, *(cpu_law(name, path, own_s, means_s[name], told) for name, (path, own_s) in parts.items()), *behind]


def background(cpu_s: float, in_answer: float, told: str) -> Figure:
    """What of the CPU for a call no answer waits for, at a rate at which calls do not wait for each other."""
    name, part_s = "CPU in the background", cpu_s * (1.0 - in_answer)
    told += f"; answers waited for {in_answer:.0%} of it"
    if in_answer > 1.0 - LEAST_PART:
        return nothing(name, PATH_BEHIND, told)
    return found(name, PATH_BEHIND, {"kind": "constant", "value": duration(part_s)}, told, 0.5 * part_s, 1.5 * part_s)


def cpu_law(name: str, path: str, own_s: np.ndarray, mean_s: float, told: str) -> Figure:
    """The law of a part of the work for a call, with that mean. Its shape is that of the added latencies ``own_s`` there at the low rate,
    where calls do not wait for each other.
    """
    demand = fit_demand(own_s, mean_s)
    low_s, high_s = sorted((float(np.median(own_s)), mean_s))
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


def rate_of(phase: Phase) -> float:
    return len(phase.probes) / phase.lasted_s
