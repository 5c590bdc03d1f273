"""Rate limits: how many requests pass at once, what refills them, and for whom.

One user asks as fast as answers come, one request at a time, so that nothing but a rate limit can refuse. Once refused, it goes on asking
now and then. A token bucket lets one pass every so often. Windows let many pass at once: what is asked then comes in two halves, a third
of a window apart, which a sliding log gives back in two halves. A fixed window ends by the calendar, however late its first request came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

from loadtest.calibration.bench import Bench
from loadtest.calibration.figure import Figure, duration, found, nothing, roundest, unknown

ASKED_FOR_S, MOST_ASKED = 4.0, 600
PATIENT_S = 75.0  # how long a refused user goes on asking
SHORT_WINDOW_S = 20.0  # windows up to here are worth two more of them to tell a calendar from an anchor
REFILLS, REFILLS_FOR_S = 8, 1.0
LONG_BURST = 0.1  # of a window
FULL_TOKEN = 2.0
"""A bucket that refuses has less than one token; and one more may be late, since some are filled by a timer."""
SHAPELESS = 4  # requests in a window, below which all algorithms look alike
POLL, SHORTEST_POLL_S = 0.012, 0.02  # share of the time since the first request


class Try(NamedTuple):
    """One request: when it was sent, when it ended, whether it passed."""

    sent_s: float
    ended_s: float
    passed: bool


class Watch(NamedTuple):
    """What one user saw, in order. ``bursts``: the places in ``tries`` where it began to ask as fast as it could."""

    tries: list[Try]
    bursts: list[int]


async def experiment(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    user, before = bench.prompt(), [sent - bench.zero_s for sent in bench.asked]
    first = await burst(bench, user, MOST_ASKED, ASKED_FOR_S)
    if first[-1].passed:
        spent_s = first[-1].ended_s - first[0].sent_s
        return [nothing("rate limit", None, f"{len(first)} requests of one user within {spent_s:.1f} s all passed")]
    others = [await bench.ask() for _ in range(2)]  # of two more users
    who = "per_user" if all(other.ok for other in others) else "global"
    watch = await watch_refills(bench, user, first)
    figures = estimate(watch, who, before if who == "global" else [])
    if who == "global" and (limit := limit_in(figures)) is not None:
        bench.limit = limit
    return figures


async def burst(bench: Bench, user: int, most: int, for_s: float) -> list[Try]:
    """Until one is refused."""
    tries: list[Try] = []
    while not tries or (tries[-1].passed and len(tries) < most and tries[-1].ended_s - tries[0].sent_s < for_s):
        tries.append(await one(bench, user))
    return tries


async def one(bench: Bench, user: int) -> Try:
    probe = await bench.ask(user=user)
    return Try(probe.sent_s, probe.ended_s, probe.ok)


async def watch_refills(bench: Bench, user: int, first: list[Try]) -> Watch:
    tries, bursts = list(first), [0]
    count = len(first) - 1
    if not await poll(bench, user, tries):
        return Watch(tries, bursts)
    bursts.append(len(tries) - 1)
    await asyncio.sleep(1.1 * (first[-1].ended_s - first[0].sent_s))  # a sliding log gives back no faster than it was asked
    tries += await burst(bench, user, max(1, count // 2 - 1), ASKED_FOR_S)
    if not tries[-1].passed and count > 2:  # a few at a time: a bucket
        while refills_too_few(tries[bursts[1] :]) and await poll(bench, user, tries):
            pass
        return Watch(tries, bursts)
    waited_s = tries[bursts[1]].sent_s - tries[0].sent_s
    if tries[-1].passed:
        await asyncio.sleep(0.35 * waited_s)
        tries += await burst(bench, user, count + 2, ASKED_FOR_S)
    if tries[-1].passed or not await poll(bench, user, tries):
        return Watch(tries, bursts)
    bursts.append(len(tries) - 1)
    tries += await burst(bench, user, count + 2, ASKED_FOR_S)
    window_s = tries[bursts[2]].sent_s - tries[bursts[1]].sent_s
    if window_s <= SHORT_WINDOW_S and abs(waited_s - window_s) < 0.06 * window_s + 0.1 and not tries[-1].passed:
        await asyncio.sleep(max(0.0, tries[bursts[2]].sent_s + 1.45 * window_s - bench.now()))
        bursts.append(len(tries))
        tries += await burst(bench, user, count + 2, ASKED_FOR_S)
        if not tries[-1].passed and await poll(bench, user, tries):
            bursts.append(len(tries) - 1)
    return Watch(tries, bursts)


def refills_too_few(tries: Sequence[Try]) -> bool:
    """To tell a rate from them; what had gathered while nobody asked, up to the first refusal, does not count."""
    emptied = passed_from(tries, 0)
    return sum(each.passed for each in tries[emptied:]) < REFILLS or tries[-1].ended_s - tries[emptied].sent_s < REFILLS_FOR_S


async def poll(bench: Bench, user: int, tries: list[Try]) -> bool:
    """Ask now and then until one passes; False if none does for PATIENT_S."""
    since_s = next(each.sent_s for each in reversed(tries) if each.passed)
    while tries[-1].ended_s - since_s < PATIENT_S:
        await asyncio.sleep(max(SHORTEST_POLL_S, POLL * (bench.now() - since_s)))
        tries.append(await one(bench, user))
        if tries[-1].passed:
            return True
    return False


def estimate(watch: Watch, who: str, before: Sequence[float] = ()) -> list[Figure]:
    """``who``: per_user or global. ``before``: when requests before the first one were sent, which counted as well."""
    path, algorithm_path = f"gateway.limits.{who}.requests", f"gateway.limits.{who}.algorithm"
    tries, bursts = watch
    count = next(place for place, each in enumerate(tries) if not each.passed)
    whom = "each user" if who == "per_user" else "all users together"
    if count == 0:
        return [unknown("rate limit", path, "the first request was refused already")]
    if len(bursts) == 1:
        why = f"{count} requests passed at once, and none after them for {PATIENT_S:g} s: no window so long is waited for"
        return [unknown("rate limit", path, why)]
    sizes = [passed_from(tries, start) for start in bursts]
    after = tries[bursts[1] :]
    few = sizes[1] < max(2, count // 2)  # of the burst after the refusal, which both kinds of window let pass
    if len(bursts) == 2 and few and sum(each.passed for each in after) >= REFILLS:
        return bucket(tries[: count + 1], after, before, path, algorithm_path, whom)
    if len(bursts) < 3:
        return [unknown("rate limit", path, f"{count} requests passed at once; what gave them back kept to no window and no steady rate")]
    return windows(watch, sizes, count, path, algorithm_path, whom)


def passed_from(tries: Sequence[Try], start: int) -> int:
    """How many pass from a place on before one is refused."""
    return next((place for place, each in enumerate(tries[start:]) if not each.passed), len(tries) - start)


def bucket(first: Sequence[Try], after: Sequence[Try], before: Sequence[float], path: str, algorithm_path: str, whom: str) -> list[Figure]:
    """The steady rate from the span of the refills; each came between the refusal before it and its own passing. ``first``: up to the first
    refusal.
    """
    emptied = passed_from(after, 0)  # what had gathered while nobody asked is gone
    passed = [place for place, each in enumerate(after) if each.passed and place > emptied]
    start, end = after[passed[0]], after[passed[-1]]
    intervals = len(passed) - 1
    span_s = end.sent_s - start.sent_s
    blur_s = max(after[place].ended_s - after[place - 1].sent_s for place in (passed[0], passed[-1]))
    low, high = intervals / (span_s + blur_s), intervals / max(span_s - blur_s, 1e-3)
    spent_s = first[-1].ended_s - first[0].sent_s
    sizes = bucket_sizes([*before, *(each.sent_s for each in first)], low, high)
    count = round(roundest(min(sizes), max(sizes)))
    window_s = roundest(count / high, count / low)
    evidence = (
        f"{len(first) - 1} passed in {spent_s:.2f} s, then one every {1 / ((low + high) / 2):.3g} s "
        f"({low:.3g} to {high:.3g} a second): a bucket, for {whom}"
    )
    return [
        found("rate limit", path, written(count, window_s), evidence, count / window_s * 0.999, high),
        found("rate limit window", algorithm_path, "token-bucket", f"single requests passed while {len(after) - len(passed)} were refused"),
    ]


def bucket_sizes(sent_s: Sequence[float], low: float, high: float) -> list[int]:
    """Of a bucket that was full at first and gets ``low`` to ``high`` tokens a second: those that let all requests but the last pass."""
    sizes = range(1, len(sent_s) + 1)
    fitting = [size for size in sizes if min(levels(sent_s, size, high)[:-1]) > 0.9 and levels(sent_s, size, low)[-1] < FULL_TOKEN]
    return fitting or [max(1, ceil(len(sent_s) - 1 - high * (sent_s[-1] - sent_s[0])))]


def levels(sent_s: Sequence[float], size: int, rate: float) -> list[float]:
    """Tokens in the bucket as each request comes."""
    found = [float(size)]
    for before_s, now_s in pairwise(sent_s):
        found.append(min(size, found[-1] - 1.0 + rate * (now_s - before_s)))
    return found


def windows(watch: Watch, sizes: list[int], count: int, path: str, algorithm_path: str, whom: str) -> list[Figure]:
    tries, bursts = watch
    count = max(count, sizes[1], sizes[2])
    opened, again = tries[bursts[1]], tries[bursts[2]]
    low = tries[bursts[2] - 1].sent_s - opened.ended_s
    first_s = opened.ended_s - tries[0].sent_s
    by_calendar = sizes[2] > 0.75 * count and first_s < 0.97 * low
    if by_calendar or (len(bursts) == 5 and tries[bursts[4]].ended_s - tries[bursts[3]].sent_s < 0.8 * low):
        by_calendar, begun_s = True, tries[bursts[1] - 1].sent_s  # it opened some time after the refusal before
    else:
        begun_s = opened.sent_s
    high = again.ended_s - begun_s
    window_s = roundest(low, high)
    limit = found(
        "rate limit", path, written(count, window_s),
        f"{count} passed at once, and again {low:.2f} to {high:.2f} s after the window before had opened, for {whom}", low, high,
    )  # fmt: skip
    if (spent_s := tries[passed_from(tries, 0)].sent_s - tries[0].sent_s) > LONG_BURST * low:
        limit = replace(
            limit, warning=f"asking took {spent_s:.2f} s: if a window of the calendar ended meanwhile, it is two that were counted"
        )
    returned = f"of {count} requests in two halves, {sizes[2]} passed at the next opening"
    if sizes[2] <= 0.75 * count and count >= SHAPELESS:
        return [limit, found("rate limit window", algorithm_path, "sliding-log", f"{returned}: each is given back a window after itself")]
    if by_calendar and count >= SHAPELESS:
        evidence = f"{returned}; a window that was first asked in its middle opened again by the calendar, not after its own length"
        return [limit, found("rate limit window", algorithm_path, "fixed-window", evidence)]
    if count < SHAPELESS:
        return [limit, unknown("rate limit window", algorithm_path, f"{count} at a time are too few to tell how a limit refills")]
    if len(bursts) < 5:
        why = f"{returned}; whether windows begin with the calendar or with a request would take two more of {window_s:.3g} s"
        return [limit, unknown("rate limit window", algorithm_path, why)]
    evidence = f"{returned}; one that was first asked 0.45 windows after an opening lasted its whole length from there"
    return [limit, found("rate limit window", algorithm_path, "anchored-window", evidence)]


def written(count: int, window_s: float) -> str:
    return f"{count}/{duration(window_s)}"


def limit_in(figures: Sequence[Figure], globally: bool = False) -> tuple[int, float] | None:
    """(requests, seconds) of the limit that was found; ``globally``: only one for all users together."""
    from sim.scenario.units import parse_rate

    for figure in figures:
        if figure.name == "rate limit" and figure.value is not None and not (globally and "per_user" in str(figure.path)):
            rate = parse_rate(figure.value)
            return int(rate.count), rate.per_s
    return None
