"""Breakers and cool-downs: after which failures is a target left alone, for how long, and how is it tried again?

Failures come until requests stop reaching the target; then the providers are well again, and now and then a request asks whether it is
tried. That happens after a run of successes, and again with hardly any before. Every breaker of a wide set (failures in a row; shares of
the last calls, from a minimum of them on) is then held against the results in the order in which the target gave them: those that would
have opened exactly when the gateway did are what it may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from loadtest.calibration.bench import Attempt, Bench
from loadtest.calibration.figure import Figure, duration, found, nothing, roundest, unknown

PATH = "gateway.breaker"
SUCCESSES = 40
MOST_FAILURES, FAIL_FOR_S = 130, 25.0
PATIENT_S, LONGEST_S = 35.0, 75.0
POLL, SHORTEST_POLL_S = 0.01, 0.03
TRIALS, TRIAL_S = 16, 0.4
RATES = (0.5, 1.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.6, 0.7, 0.75, 0.8, 0.9, 0.05)
SIZES = (5, 8, 10, 12, 15, 16, 20, 25, 30, 32, 40, 50, 64, 80, 100, 120, 128, 150, 200, 256, 10**6)
MIXED = 50
WORTH_S = 8.0  # how long a breaker may be open to be opened again for each mixture


class Breaker(NamedTuple):
    """Opens when, of the last ``size`` results, at least ``minimum`` are there and a share of ``rate`` failed."""

    rate: float
    minimum: int
    size: int

    def opens_at(self, results: Sequence[bool]) -> int | None:
        """After how many results (True: failed), None if after none of them."""
        window: list[bool] = []
        failed = 0
        for place, result in enumerate(results, 1):
            window.append(result)
            failed += result
            if len(window) > self.size:
                failed -= window[-self.size - 1]
            calls = min(len(window), self.size)
            if calls >= self.minimum and failed >= self.rate * calls:
                return place
        return None


class Spell(NamedTuple):
    """Results of a target (True: failed), from a time when its breaker knew none, or only successes; whether it was left alone then."""

    results: list[bool]
    opened: bool
    ended_s: float = 0.0


class Scene(NamedTuple):
    """The ``target`` that is made to fail, and how many requests it takes until it should have had its turn."""

    target: str
    turns: int

    @property
    def provider(self) -> str:
        return self.target.partition("/")[0]


async def experiment(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    count = SUCCESSES if bench.limit is None else min(SUCCESSES, bench.limit[0] // 2)
    begun_s = bench.now()
    while not bench.usual <= set(await bench.targets(len(bench.usual) * 4)) and bench.now() - begun_s < PATIENT_S:
        await asyncio.sleep(0.5)  # a target that an experiment before has made fail is still left alone
    targets = await bench.targets(count)
    several = len(set(targets))
    scene = Scene(targets[-1], 1 if several == 1 else 4 * several)
    spell = await fail_until_open(bench, scene, 0.0)
    if not spell.opened:
        evidence = f"{sum(spell.results)} failures in a row did not keep requests from {scene.target}"
        return [nothing("breaker", f"{PATH}.open_for", evidence)]
    told = declared.get(f"{PATH}.open_for")
    patient_s = min(LONGEST_S, max(PATIENT_S, 1.2 * told if isinstance(told, float) else 0.0))
    reopened = await poll_until_tried(bench, scene, patient_s)
    opened = open_time(spell, reopened, patient_s)
    if reopened is None:
        return [opened]
    open_s = reopened[1] - spell.ended_s
    spells, trials = [spell], await after_a_trial(bench, scene, open_s)
    figures = [opened, trials.figure]
    for share in (1.0, 0.5, 0.2):
        if not trials.let_in or (share < 1.0 and open_s > WORTH_S) or bench.limit is not None:
            break
        if share == 1.0:
            spell = await fail_until_open(bench, scene, trials.begun_s)
        else:
            spell = await mix(bench, scene, trials.begun_s, share)
        dropped = int(trials.figure.value or 0)
        spells.append(Spell(spell.results[dropped:], spell.opened, spell.ended_s))
        if not spell.opened or share == 0.2:
            break
        await asyncio.sleep(max(0.0, spell.ended_s + 1.05 * open_s + 0.05 - bench.now()))
        trials = await trial_calls(bench, scene)
    return [*figures, *thresholds(spells, declared)]


class Trials(NamedTuple):
    """What a crowd met when a breaker's time was over: ``let_in`` requests reached the target from ``begun_s`` on."""

    figure: Figure
    begun_s: float
    let_in: int


async def after_a_trial(bench: Bench, scene: Scene, open_s: float) -> Trials:
    """Open it once more, and see the crowd that comes when its time is over: those let in close it, and it remembers nothing else."""
    await bench.recovers(2.5 * open_s + 5.0)
    spell = await fail_until_open(bench, scene, bench.now())
    await asyncio.sleep(max(0.0, spell.ended_s + 1.05 * open_s + 0.05 - bench.now()))
    return await trial_calls(bench, scene)


async def results_of(bench: Bench, target: str, since_s: float) -> list[Attempt]:
    """In the order of their ends."""
    mine = [each for each in await bench.attempts() if each.target == target and each.started_s >= since_s]
    return sorted(mine, key=lambda attempt: attempt.ended_s)


async def fail_until_open(bench: Bench, scene: Scene, since_s: float) -> Spell:
    """Only the target's provider fails, so that those who fall back are answered at once."""
    await bench.strike("outage", [scene.provider])
    begun_s = bench.now()
    missed = 0
    while bench.now() - begun_s < FAIL_FOR_S and missed < scene.turns:
        missed = 0 if await reaches(bench, scene.target) else missed + 1
        if len([each for each in await results_of(bench, scene.target, begun_s) if each.status != 200]) >= MOST_FAILURES:
            break
    await bench.heal()
    results = await results_of(bench, scene.target, since_s)
    opened = missed >= scene.turns and any(attempt.status != 200 for attempt in results)
    return Spell([attempt.status != 200 for attempt in results], opened, results[-1].ended_s if results else bench.now())


async def reaches(bench: Bench, target: str) -> bool:
    await bench.room(1)
    probe = await bench.ask()
    return any(attempt.target == target for attempt in (await bench.attempts_of([probe]))[probe.prompt])


async def poll_until_tried(bench: Bench, scene: Scene, patient_s: float) -> tuple[float, float] | None:
    """(when it was last seen to be left alone, when it was tried), or None if it never was. The providers are well."""
    begun_s = bench.now()
    last_s = begun_s
    while bench.now() - begun_s < patient_s:
        round_s = bench.now()
        for _ in range(scene.turns):
            if await reaches(bench, scene.target):
                return last_s, (await results_of(bench, scene.target, round_s))[0].started_s
        last_s = round_s
        await asyncio.sleep(max(SHORTEST_POLL_S, POLL * (bench.now() - begun_s)))
    return None


def open_time(spell: Spell, reopened: tuple[float, float] | None, patient_s: float) -> Figure:
    path = f"{PATH}.open_for"
    failed = sum(spell.results)
    if reopened is None:
        return unknown("breaker open for", path, f"opened after {failed} failures, and for {patient_s:.0f} s no request reached the target")
    low, high = max(1e-3, reopened[0] - spell.ended_s - 0.01), reopened[1] - spell.ended_s + 0.01
    evidence = f"after {failed} failures no request reached the target for {low:.2f} to {high:.2f} s"
    return found("breaker open for", path, duration(roundest(low, high)), evidence, low, high)


async def trial_calls(bench: Bench, scene: Scene) -> Trials:
    """Many at once: those that reach the target are its trial."""
    path = f"{PATH}.half_open_calls"
    begun_s = bench.now()
    crowd = TRIALS if scene.turns == 1 else 2 * TRIALS
    if bench.limit is not None and bench.limit[0] < crowd:
        return Trials(unknown("trial calls", path, "the rate limit lets too few requests pass at once"), begun_s, 0)
    probes = await bench.together(crowd, TRIAL_S)
    attempts = await bench.attempts_of(probes)
    starts = sorted(attempt.started_s for rows in attempts.values() for attempt in rows if attempt.target == scene.target)
    let_in = sum(started_s < starts[0] + 0.9 * TRIAL_S for started_s in starts)
    if not let_in:
        why = f"none of {crowd} requests reached the target when its time should have been over"
        return Trials(unknown("trial calls", path, why), begun_s, 0)
    if let_in >= TRIALS:
        why = f"{let_in} of {crowd} requests at once reached the target again: at least so many are let in"
        return Trials(unknown("trial calls", path, why), begun_s, let_in)
    told = f"of {crowd} requests at once, {let_in} reached the target when its time was over"
    return Trials(found("trial calls", path, let_in, told, let_in, let_in), begun_s, let_in)


async def mix(bench: Bench, scene: Scene, since_s: float, share: float) -> Spell:
    """Failures among successes, about a share of ``share`` of the target's results."""
    begun_s = bench.now()
    opened = False
    failed = 0
    while not opened and bench.now() - begun_s < FAIL_FOR_S:
        results = await results_of(bench, scene.target, since_s)
        if len(results) >= MIXED:
            break
        failed = sum(attempt.status != 200 for attempt in results)
        fails = failed < share * (len(results) + 1)
        if fails:
            await bench.strike("outage", [scene.provider], first=1)
        missed = 0
        while missed < scene.turns and not await reaches(bench, scene.target):
            missed += 1
        opened = missed >= scene.turns
        if fails:
            await bench.heal()
    results = await results_of(bench, scene.target, since_s)
    return Spell([attempt.status != 200 for attempt in results], opened, results[-1].ended_s if results else bench.now())


def explains(breaker: Breaker, spell: Spell) -> bool:
    at = breaker.opens_at(spell.results)
    return at == len(spell.results) if spell.opened else at is None


def candidates(spells: Sequence[Spell]) -> list[Breaker]:
    longest = max(len(spell.results) for spell in spells)
    return [
        breaker
        for rate in RATES
        for minimum in range(1, longest + 1)
        for size in sorted({minimum, *(size for size in SIZES if size >= minimum)})
        if all(explains(breaker := Breaker(rate, minimum, size), spell) for spell in reversed(spells))
    ]


def thresholds(spells: Sequence[Spell], declared: Mapping[str, Any]) -> list[Figure]:
    words = "; ".join(told(spell) for spell in spells)
    paths = {"failure rate": f"{PATH}.failure_rate", "minimum of calls": f"{PATH}.minimum_calls", "window": f"{PATH}.window_size"}
    fitting = candidates(spells)
    if not fitting:
        return [unknown(f"breaker's {name}", path, f"{words}: no breaker of the language opens so") for name, path in paths.items()]
    stated = tuple(declared.get(path) for path in paths.values())
    best = next((each for each in fitting if tuple(each) == stated), fitting[0])
    figures = []
    for (name, path), value, values in zip(paths.items(), best, zip(*fitting, strict=True), strict=True):
        low, high = min(values), max(values)
        evidence = f"{words}; {len(fitting)} of those tried would open so"
        if value == 10**6:
            figures.append(unknown(f"breaker's {name}", path, f"{evidence}: at least {low:g}, or a window of time"))
        elif low == high or value in stated:
            figures.append(found(f"breaker's {name}", path, value, evidence, low, high))
        else:
            span = f"{low:g} to {'any' if high == 10**6 else f'{high:g}'}"
            figure = found(f"breaker's {name}", path, value, f"{evidence}: {span}", low, high)
            figures.append(replace(figure, warning=f"{span} would have opened alike; laid over as {value:g}"))
    return figures


def told(spell: Spell) -> str:
    failed = sum(spell.results)
    return f"{failed} failures and {len(spell.results) - failed} successes {'opened it' if spell.opened else 'did not'}"
