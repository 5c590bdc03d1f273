"""Timeouts: how long the gateway waits for a first token, for a whole answer, and within a stream that has fallen silent.

Four requests at once: one that is never answered, one whose stream falls silent, one that streams slowly without end, and one whole answer
that takes long. When the gateway leaves a mock, or answers its client without it, is a timeout. The timeout of the whole is that of what
the scenario's clients ask for, streams or whole answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from loadtest.calibration.bench import Attempt, Bench, Probe
from loadtest.calibration.figure import NONE, Figure, duration, found, nothing, roundest, unknown

WATCH_S, LONGEST_S = 20.0, 66.0
SILENT_TOKENS = 40
LAZY_S = 0.3
"""Within so long some gateways do not set their timer anew when more of a stream comes (nginx's NGX_TIMER_LAZY_DELAY)."""
HELD_S = 0.5
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
    hung = asyncio.create_task(bench.ask(patience_s=watch_s))
    await asyncio.sleep(0.15)
    await bench.heal()
    await bench.strike("stall")
    silent = asyncio.create_task(bench.ask(tokens=SILENT_TOKENS, stream=True, patience_s=watch_s))
    await asyncio.sleep(0.15)
    await bench.heal()
    probes = await asyncio.gather(hung, silent, steady, whole)
    await bench.settle()
    attempts = await bench.attempts_of(probes)
    figures = estimate([(probe, attempts[probe.prompt]) for probe in probes], watch_s, bench.stream)
    return [beyond(figure, watch_s, declared.get(figure.path or "")) for figure in figures]


def beyond(figure: Figure, watch_s: float, declared: Any) -> Figure:
    """A timeout longer than it was waited for is not seen, and one that is declared to be is not said to be none."""
    if figure.path is None or figure.state != NONE or figure.low is not None:
        return figure
    if isinstance(declared, float) and declared > watch_s:
        return unknown(figure.name, figure.path, f"{figure.evidence}, and {declared:g} s are declared")
    return replace(figure, warning=f"none up to {watch_s:.0f} s; a longer one would not have been seen")


def left(probe: Probe, watch_s: float) -> bool:
    return probe.status in (0, 200) and probe.ended_s - probe.sent_s >= watch_s - 0.05


def held(probe: Probe) -> bool:
    """Whether the gateway had something to wait for: one that refuses does it sooner."""
    return bool(probe.chunks_s) or probe.ended_s - probe.sent_s > HELD_S


def cut_s(probe: Probe, attempts: Sequence[Attempt], watch_s: float) -> float | None:
    """When, after its start, the gateway gave the first attempt up; None if it was still there when the client left."""
    if not attempts:  # it is still under way behind the gateway, which has answered for it
        return None if left(probe, watch_s) or not held(probe) else probe.ended_s - probe.sent_s
    first = attempts[0]
    lasted_s = (first.ended_s if probe.ok else min(first.ended_s, probe.ended_s)) - first.started_s
    return None if (left(probe, watch_s) and first.ended_s >= probe.ended_s - 0.05) or first.end == "complete" else lasted_s


def estimate(seen: Sequence[tuple[Probe, Sequence[Attempt]]], watch_s: float, streams: bool = True) -> list[Figure]:
    """``seen``: hung, silent, steady, whole. ``streams``: whether the scenario's clients ask for streams."""
    hung, silent, stream, whole = (cut_s(probe, attempts, watch_s) for probe, attempts in seen)
    steady, other = (stream, whole) if streams else (whole, stream)
    words, other_words = ("a stream that went on", "an answer that was not streamed")[:: 1 if streams else -1]
    if any(not attempts and not held(probe) for probe, attempts in seen):
        why = "not all four requests reached a provider"
        return [unknown(name, path, why) for name, path in (("timeout of the first token", FIRST), ("timeout of the whole", TOTAL))]
    kept = f"within {watch_s:.0f} s"
    figures = []
    if steady is not None:
        told = f"{words} was cut after {steady:.2f} s"
        figures.append(timeout("timeout of the whole", TOTAL, steady, told))
    else:
        figures.append(nothing("timeout of the whole", TOTAL, f"{words} was not cut {kept}"))
    if hung is None:
        first = nothing("timeout of the first token", FIRST, f"an attempt without an answer was not given up {kept}")
    elif steady is not None and abs(hung - steady) < 0.03 * steady + 0.05:
        told = f"an attempt without an answer was given up after {hung:.2f} s, with the whole"
        first = replace(nothing("timeout of the first token", FIRST, told), low=hung)
    else:
        first = timeout("timeout of the first token", FIRST, hung, f"an attempt without an answer was given up after {hung:.2f} s")
    figures.insert(0, first)
    # Whole answers show nothing until they end, so the timeout of the first token is theirs as well; nothing is declared of silence.
    if other is not None:
        name = "timeout of a whole answer" if streams else "timeout of a whole stream"
        figures.append(timeout(name, None, other, f"{other_words} was cut after {other:.2f} s"))
    if silent is not None and (stream is None or silent < 0.9 * stream):
        quiet_s = silent - spoken_s(*seen[1])
        told = f"a stream was cut {quiet_s:.2f} s after it had fallen silent"
        figures.append(timeout("timeout of silence", None, quiet_s, told, LAZY_S))
    elif stream is None:
        figures.append(nothing("timeout of silence", None, f"a stream that fell silent was not cut {kept}"))
    return figures


def spoken_s(probe: Probe, attempts: Sequence[Attempt]) -> float:
    """From the start of the first attempt to the last token that came of it; 0 where none did."""
    begun_s = attempts[0].started_s if attempts else probe.sent_s
    return max(0.0, probe.chunks_s[-1] - begun_s) if probe.chunks_s else 0.0


def timeout(name: str, path: str | None, seconds: float, told: str, early_s: float = 0.0) -> Figure:
    """``early_s``: by so much the gateway's timer may have been early."""
    low = max(1e-3, seconds - 0.03 - 0.005 * seconds)
    high = seconds + 0.03 + early_s
    return found(name, path, duration(roundest(low, high)), told, low, high)
