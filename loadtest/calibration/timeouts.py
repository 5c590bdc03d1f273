"""Timeouts: how long the gateway waits for a first token, for a whole answer, and within a stream that has fallen silent.

Four requests at once: one that is never answered, one whose stream falls silent, one that streams slowly without end, and one whole answer
that takes long. When the gateway leaves a mock, or answers its client without it, is a timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from loadtest.calibration.bench import Attempt, Bench, Probe
from loadtest.calibration.figure import Figure, duration, found, nothing, roundest, unknown

WATCH_S, LONGEST_S = 20.0, 66.0
SILENT_TOKENS = 40
FIRST, TOTAL = "gateway.timeout.first_token", "gateway.timeout.total"


async def experiment(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    """Watch for WATCH_S, or a little longer than what is declared."""
    told = [value for path in (FIRST, TOTAL) if isinstance(value := declared.get(path), float)]
    watch_s = min(LONGEST_S, max([WATCH_S, *(1.15 * value + 2.0 for value in told)]))
    await bench.settle()
    await bench.room(4)
    steady = asyncio.create_task(bench.ask(watch_s + 5.0, stream=True, patience_s=watch_s))
    whole = asyncio.create_task(bench.ask(watch_s + 5.0, patience_s=watch_s))
    await asyncio.sleep(0.15)
    await bench.strike("outage", mode="hang")
    hung = asyncio.create_task(bench.ask(stream=True, patience_s=watch_s))
    await asyncio.sleep(0.15)
    await bench.heal()
    await bench.strike("stall")
    silent = asyncio.create_task(bench.ask(tokens=SILENT_TOKENS, stream=True, patience_s=watch_s))
    await asyncio.sleep(0.15)
    await bench.heal()
    probes = await asyncio.gather(hung, silent, steady, whole)
    await asyncio.sleep(0.2)
    attempts = await bench.attempts_of(probes)
    return estimate([(probe, attempts[probe.prompt]) for probe in probes], watch_s)


def cut_s(probe: Probe, attempts: Sequence[Attempt], watch_s: float) -> float | None:
    """When, after its start, the gateway gave the first attempt up; None if it was still there when the client left."""
    if not attempts:
        return None
    first = attempts[0]
    lasted_s = first.ended_s - first.started_s
    left_by_client = probe.status in (0, 200) and probe.ended_s - probe.sent_s >= watch_s - 0.05 and first.ended_s >= probe.ended_s - 0.05
    return None if left_by_client or first.end == "complete" else lasted_s


def estimate(seen: Sequence[tuple[Probe, Sequence[Attempt]]], watch_s: float) -> list[Figure]:
    """``seen``: hung, silent, steady, whole."""
    hung, silent, steady, whole = (cut_s(probe, attempts, watch_s) for probe, attempts in seen)
    if any(not attempts for _, attempts in seen):
        why = "not all four requests reached a provider"
        return [unknown(name, path, why) for name, path in (("timeout of the first token", FIRST), ("timeout of the whole", TOTAL))]
    kept = f"within {watch_s:.0f} s"
    figures = []
    if steady is not None:
        told = f"a stream that went on was cut after {steady:.2f} s"
        figures.append(timeout("timeout of the whole", TOTAL, steady, told))
    else:
        figures.append(nothing("timeout of the whole", TOTAL, f"a stream that went on was not cut {kept}"))
    if hung is None:
        first = nothing("timeout of the first token", FIRST, f"an attempt without an answer was not given up {kept}")
    elif steady is not None and abs(hung - steady) < 0.03 * steady + 0.05:
        told = f"an attempt without an answer was given up after {hung:.2f} s, with the whole"
        first = nothing("timeout of the first token", FIRST, told)
    else:
        first = timeout("timeout of the first token", FIRST, hung, f"an attempt without an answer was given up after {hung:.2f} s")
    figures.insert(0, first)
    # Whole answers show nothing until they end, so the timeout of the first token is theirs as well; nothing is declared of silence.
    if whole is not None:
        told = f"an answer that was not streamed was cut after {whole:.2f} s"
        figures.append(found("timeout of a whole answer", None, duration(whole), told))
    if silent is not None and (steady is None or silent < 0.9 * steady):
        figures.append(found("timeout of silence", None, duration(silent), f"a stream that fell silent was cut after {silent:.2f} s"))
    elif steady is None:
        figures.append(nothing("timeout of silence", None, f"a stream that fell silent was not cut {kept}"))
    return figures


def timeout(name: str, path: str, seconds: float, told: str) -> Figure:
    low = max(1e-3, seconds - 0.03 - 0.005 * seconds)
    high = seconds + 0.03
    return found(name, path, duration(roundest(low, high)), told, low, high)
