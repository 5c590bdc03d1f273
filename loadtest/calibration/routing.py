"""Balancing and fallback: which target is asked, and who answers when the first one cannot."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from loadtest.calibration.bench import Bench, Probe
from loadtest.calibration.figure import Figure, found, nothing, unknown

KIND, FALLBACK = "gateway.routing.kind", "gateway.fallback"
ASKED = 40
HOLD_S = 1.5
SLOWER = 150.0
FAILED = 4


async def experiment(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    asked = ASKED if bench.limit is None else min(ASKED, bench.limit[0])
    await bench.room(asked)
    probes = await bench.clean(asked)
    attempts = await bench.attempts_of(probes)
    sequence = [rows[0].target for probe in probes if (rows := attempts[probe.prompt])]
    stated = list(declared.get(FALLBACK) or [])
    figures = [await balancing(bench, sequence)]
    if len(bench.mocks) > 1:
        figures.append(await fallback(bench, sequence[-1], stated))
    figures.append(await canned(bench, stated if len(figures) == 1 else figures[-1].value or stated))
    return figures


async def balancing(bench: Bench, sequence: Sequence[str]) -> Figure:
    targets = list(dict.fromkeys(sequence))
    counts = Counter(sequence)
    told = ", ".join(f"{target} {count}" for target, count in counts.most_common())
    if len(targets) > 1 and all(sequence[place] == sequence[place - len(targets)] for place in range(len(targets), len(sequence))):
        if max(counts.values()) - min(counts.values()) <= 1:
            return found("balancing", KIND, "round-robin", f"one after the other asked {' '.join(sequence[: len(targets)])} in turn")
        return found("balancing", None, "in turn, by weight", f"the same sequence again and again: {told}")
    busy = await shares_when(bench, targets[0], busy=True)
    if busy is not None and busy.get(targets[0], 0) == 0 and len(busy) > 0:
        return found("balancing", KIND, "least-busy", f"while {targets[0]} was busy, others were asked: {said(busy)}; else {told}")
    if len(targets) > 1:
        from scipy.stats import chisquare

        p = float(chisquare(list(counts.values())).pvalue)
        words = "at random, alike" if p > 0.01 else "at random, by weight"
        return found("balancing", None, words, f"{told}, in no order (equal shares: P = {p:.2g})")
    slow = await shares_when(bench, targets[0], busy=False)
    if slow is not None and slow.get(targets[0], 0) < sum(slow.values()):
        return found("balancing", KIND, "fastest", f"once {targets[0]} had become slow, others were asked: {said(slow)}")
    return found("balancing", None, "always the same target", f"{told}; also while it was busy, and when it was slow")


def said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{target} {count}" for target, count in counts.items())


async def shares_when(bench: Bench, target: str, busy: bool) -> Counter[str] | None:
    """Who is asked while ``target`` is busy, or has become slow; None where a rate limit does not let so many pass."""
    if bench.limit is not None and bench.limit[0] < 16:
        return None
    await bench.room(16)
    holders: list[asyncio.Task[Any]] = []
    if busy:
        holders = [asyncio.create_task(bench.ask(HOLD_S))]
        await asyncio.sleep(0.1)
    else:
        await bench.strike("brownout", [target.partition("/")[0]], ttft_factor=SLOWER)
        await bench.clean(6)
    probes = await bench.clean(6)
    held = [await holder for holder in holders]
    await bench.heal()
    attempts = await bench.attempts_of([*probes, *held])
    if held and (not attempts[held[0].prompt] or attempts[held[0].prompt][0].target != target):
        return None
    return Counter(rows[0].target for probe in probes if (rows := attempts[probe.prompt]))


async def fallback(bench: Bench, first: str, stated: Sequence[str]) -> Figure:
    provider = first.partition("/")[0]
    await bench.room(FAILED)
    await bench.strike("outage", [provider])
    probes: list[Probe] = []
    struck: list[Probe] = []
    while len(struck) < FAILED / 2 and len(probes) < FAILED * len(bench.mocks):  # how often it has its turn is not known
        probes += [await bench.ask() for _ in range(FAILED)]
        attempts = await bench.attempts_of(probes)
        struck = [probe for probe in probes if any(attempt.target.startswith(f"{provider}/") for attempt in attempts[probe.prompt])]
    await bench.heal()
    ways = {" → ".join(dict.fromkeys(attempt.target for attempt in attempts[probe.prompt])) for probe in struck}
    rescued = sum(attempts[probe.prompt][-1].status == 200 for probe in struck)
    evidence = (
        f"with {provider} out, {rescued} of {len(struck)} requests that it failed were answered by others ({'; '.join(sorted(ways))})"
    )
    if not struck:
        return unknown("fallback", FALLBACK, f"with {provider} out, no request was sent there")
    others = [step for step in stated if step != "next-provider"]
    if rescued:
        return found("fallback", FALLBACK, ["next-provider", *others], evidence)
    return found("fallback", FALLBACK, others, evidence) if others else nothing("fallback", FALLBACK, evidence)


async def canned(bench: Bench, stated: Sequence[str]) -> Figure:
    """Whether a request that every provider fails is answered all the same."""
    await bench.room(1)
    await bench.strike("outage")
    probe = await bench.ask()
    await bench.heal()
    evidence = f"with all providers out, a request got HTTP {probe.status}"
    if probe.ok:
        others = [step for step in stated if step != "canned"]
        return found("prepared answer", FALLBACK, [*others, "canned"], f"{evidence} and an answer that no provider gave")
    if "canned" in stated:
        return found("prepared answer", FALLBACK, [step for step in stated if step != "canned"], evidence)
    return nothing("prepared answer", None, evidence)
