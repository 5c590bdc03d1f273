"""Caching: are identical prompts answered without a provider, for how long, how many, and do those under way wait for the first?

Many prompts are asked once, and each a second time after an age of its own: the lifetime lies between the oldest hit and the youngest miss.
One prompt is asked all along: if it outlives the lifetime, each hit renews it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from loadtest.calibration.bench import Bench, Probe
from loadtest.calibration.figure import Figure, duration, found, nothing, roundest, unknown

ENTRY = "gateway.cache.0"
FIRST_AGE_S, AGE_GROWTH, LONGEST_S = 0.25, 1.05, 45.0
RENEW_S = 0.5
ENTRIES = 320
MISSES = 3


class Aged(NamedTuple):
    """A prompt asked again: the age of its answer lay between ``youngest_s`` and ``oldest_s``."""

    youngest_s: float
    oldest_s: float
    hit: bool


async def experiment(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    if not await repeats_hit(bench):
        return [nothing("cache", "gateway.cache", "the same prompt was asked three times in a row, and a provider answered each")]
    lifetime_s = declared_lifetime_s(declared)
    until_s = LONGEST_S if lifetime_s is None else min(90.0, max(LONGEST_S, 1.1 * lifetime_s))
    aged, renewed = await age(bench, until_s)
    figures = lifetime(aged, renewed, until_s)
    figures.append(await sharing(bench))
    figures.append(await flights(bench))
    figures.append(await capacity(bench))
    return figures


def declared_lifetime_s(declared: Mapping[str, Any]) -> float | None:
    caches = declared.get("gateway.cache") or []
    from sim.scenario.units import parse_duration

    return float(parse_duration(caches[0]["ttl"])) if caches else None


async def repeats_hit(bench: Bench) -> bool:
    await bench.room(3)
    prompt = bench.prompt()
    probes = [await ask(bench, prompt) for _ in range(3)]
    return len((await bench.attempts_of(probes[:1]))[prompt]) == 1


async def ask(bench: Bench, prompt: int | None = None, service_s: float = 0.0) -> Probe:
    """Each prompt is its own user's: some caches keep users apart."""
    prompt = bench.prompt() if prompt is None else prompt
    return await bench.ask(service_s, prompt=prompt, user=prompt)


async def sharing(bench: Bench) -> Figure:
    await bench.room(2)
    stored = await ask(bench)
    await bench.ask(prompt=stored.prompt)
    asked = len((await bench.attempts_of([stored]))[stored.prompt])
    evidence = f"when another user asked the same, {'no' if asked == 1 else 'a'} provider was asked again"
    return found("cache shared by users", None, asked == 1, evidence)


async def age(bench: Bench, until_s: float) -> tuple[list[Aged], list[Aged]]:
    """Of prompts asked once again each, and of one that is asked all along."""
    ages_s = [FIRST_AGE_S]
    while ages_s[-1] < until_s:
        ages_s.append(max(ages_s[-1] * AGE_GROWTH, ages_s[-1] + 0.05))
    if bench.limit is not None:  # as many as may be asked now
        ages_s = ages_s[:: -(-len(ages_s) // max(1, bench.limit[0] // 2))]
        await bench.room(bench.limit[0])
    kept = await ask(bench)
    renewals: list[Probe] = []

    async def renew() -> None:
        while bench.limit is None:
            await asyncio.sleep(RENEW_S)
            renewals.append(await ask(bench, kept.prompt))

    async def look(first: Probe, age_s: float) -> Aged:
        await asyncio.sleep(max(0.0, first.ended_s + age_s - bench.now()))
        again = await ask(bench, first.prompt)
        hit = len((await bench.attempts_of([first]))[first.prompt]) == 1
        return Aged(again.sent_s - first.ended_s, again.ended_s - first.sent_s, hit)

    aged: list[Aged] = []
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(renew())]
    try:
        # Each has its own clock, since a slow gateway takes long to store them all; in no order, or a full cache would look like a
        # lifetime.
        looks: dict[float, asyncio.Task[Aged]] = {}
        for age_s in Random(0).sample(ages_s, len(ages_s)):
            looks[age_s] = asyncio.create_task(look(await ask(bench), age_s))
            tasks.append(looks[age_s])
        for age_s in ages_s:
            aged.append(await looks[age_s])
            if len(aged) >= MISSES and not any(each.hit for each in aged[-MISSES:]):
                old_s = kept.ended_s + 1.4 * aged[-1].oldest_s
                await asyncio.sleep(max(0.0, old_s - bench.now()))  # does the one asked all along outlive it?
                break
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    misses_s = sorted(attempt.started_s for attempt in (await bench.attempts_of([kept]))[kept.prompt])[1:]
    renewed = []
    for probe in renewals:
        hit = not any(probe.sent_s <= missed_s <= probe.ended_s for missed_s in misses_s)
        renewed.append(Aged(probe.sent_s - kept.ended_s, probe.ended_s - kept.sent_s, hit))
    return aged, renewed


def lifetime(aged: Sequence[Aged], renewed: Sequence[Aged], until_s: float) -> list[Figure]:
    path = f"{ENTRY}.ttl"
    hits, misses = [each for each in aged if each.hit], [each for each in aged if not each.hit]
    if not misses:
        why = f"all of {len(hits)} answers were still kept, the oldest {hits[-1].youngest_s:.0f} s old"
        return [unknown("cache lifetime", path, why)]
    if not hits:
        return [unknown("cache lifetime", path, f"shorter than {misses[0].oldest_s:.2f} s, the youngest that was asked again")]
    low, high = max(each.youngest_s for each in hits), min(each.oldest_s for each in misses)
    if low > high:
        why = f"an answer {low:.2f} s old was kept, one {high:.2f} s old was not: no one lifetime (a cache that is full?)"
        return [unknown("cache lifetime", path, why)]
    how = f"{len(hits)} answers up to {low:.2f} s old were kept, one {high:.2f} s old was not"
    figures = [found("cache lifetime", path, duration(roundest(low, high)), how, low, high)]
    old = [each for each in renewed if each.youngest_s > 1.15 * high and each.youngest_s < 1.95 * low]
    if old:
        first_miss = next((each for each in renewed if not each.hit), None)
        slides = first_miss is None
        how = f"a prompt asked every {RENEW_S:g} s was answered from the cache "
        how += f"for {renewed[-1].youngest_s:.1f} s" if first_miss is None else f"until it was {first_miss.youngest_s:.1f} s old"
        figures.append(found("cache renewed by hits", f"{ENTRY}.sliding", slides, how))
    return figures


async def flights(bench: Bench) -> Figure:
    await bench.room(2)
    prompt = bench.prompt()
    probes = await asyncio.gather(*(ask(bench, prompt, 0.4) for _ in range(2)))
    asked = len((await bench.attempts_of(probes[:1]))[prompt])
    evidence = f"of two identical prompts at once, {asked} reached a provider"
    return found("identical prompts wait for the first", f"{ENTRY}.single_flight", asked == 1, evidence)


async def capacity(bench: Bench) -> Figure:
    """Store many, then look from the newest backwards where they end; a look that misses takes the place of one other."""
    path = f"{ENTRY}.capacity"
    if bench.limit is not None:
        return unknown("cache capacity", path, "the rate limit lets too few requests pass")
    begun_s = bench.now()
    stored = [await ask(bench) for _ in range(ENTRIES)]
    looks = 0

    async def kept(place: int) -> bool:
        nonlocal looks
        looks += 1
        before = len((await bench.attempts_of([stored[place]]))[stored[place].prompt])
        await ask(bench, stored[place].prompt)
        return len((await bench.attempts_of([stored[place]]))[stored[place].prompt]) == before

    if await kept(0):
        return unknown("cache capacity", path, f"all of {ENTRIES} answers were kept: at least so many")
    low, high = 0, ENTRIES - 1  # gone, kept
    if not await kept(high):
        return unknown("cache capacity", path, f"{ENTRIES} answers were stored in {bench.now() - begun_s:.0f} s, and the newest was gone")
    while high - low > 1:
        middle = (low + high) // 2
        if await kept(middle):
            high = middle
        else:
            low = middle
    least, most = ENTRIES - high, ENTRIES - high + looks
    value = round(roundest(least, most))
    return found("cache capacity", path, value, f"of {ENTRIES} answers, the newest {least} to {most} were kept", least, most)
