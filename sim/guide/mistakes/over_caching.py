"""Over-caching: answers are served from a cache long after they have become out of date.

A class says how long answers to its prompts stay right (``prompts.changes``: their contents change at random times, and the rows of a run
tell which hits were outdated). That is the evidence, wherever a run lasts for a lifetime of the cache, so that entries come to be as old as
they can. In a shorter run they do not, and a class that says nothing has no contents: there it is worked out. An answer of age a is out of
date with probability 1 - exp(-a / changes). Under Poisson arrivals the hits that an entry serves within its lifetime T are spread evenly
over it, so that the share out of date among them is 1 - (1 - exp(-x)) / x with x = T / changes, however popular the prompt is; a cache that
is told of changes serves none for longer than its notice. Where hits renew the lifetime (``sliding``), ages are taken from the run, which
is a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sim.analysis.metrics import DAY_S, measure
from sim.analysis.window import Window
from sim.data.outcomes import CACHE_HIT
from sim.data.run import Run
from sim.formatting import listed, percent, seconds
from sim.gateway.stages.freshness import serving, told_after_s
from sim.guide.found import Found
from sim.guide.trials import Trials, change, gain, gain_of
from sim.kernel.containers import NOBODY

WORDS = "Over-caching: Stale responses frustrate users. Set appropriate TTLs and invalidation rules."
ASSUMED_CHANGE_S = DAY_S
"""Of a class that does not say how long its answers stay right."""
OUT_OF_DATE = 0.05
"""Share of a class's cache hits out of date from which its lifetime is too long."""
FIGURE = "out-of-date answers"


class Lifetime(NamedTuple):
    """A class with the cache that serves it. ``cache`` and ``kind`` are their places; ``stated``: the class says ``changes``."""

    cache: int
    kind: int
    name: str
    ttl_s: float
    told_s: float  # after a change; inf: never
    sliding: bool
    changes_s: float
    stated: bool


def find(trials: Trials) -> Found | None:
    run = trials.run()
    long = [each for each in lifetimes(trials.scenario) if hits_of(run, each.kind) and out_of_date(run, each) > OUT_OF_DATE]
    if not long:
        return None
    mend = shortened(trials, long)
    mended = trials.run(mend)
    after = {each.kind: each for each in lifetimes(mended.scenario)}
    stale = [np.array([0.0] * run.replications) for _ in range(2)]
    for each in lifetimes(trials.scenario):
        stale[0] += stale_answers(run, each)
        stale[1] += stale_answers(mended, after[each.kind])
    daily = measure(run, "offered_rps").value or 0.0
    share = float(stale[0].mean())
    classes = listed([f"{each.name} ({percent(out_of_date(run, each))} of its hits, {source(each)})" for each in long])
    paths = listed(list(dict.fromkeys(f"gateway.cache[{each.cache}].ttl" for each in long)))
    return Found(
        where=paths,
        says=f"a lifetime of {seconds(max(each.ttl_s for each in long))} serves answers that have changed: of class {classes}. That is "
        f"{percent(share)} of all requests, {share * daily * DAY_S:,.0f} wrong answers a day",
        mend=mend,
        todo=f"shorten the lifetime to {listed(sorted({seconds(right_ttl(each)) for each in long}))}, or drop entries when what they are "
        "about changes",
        gains=(gain_of(FIGURE, "share", stale[0], stale[1]), gain("cache_hit_rate", run, mended), gain("cost_usd.per_month", run, mended)),
    )


def source(each: Lifetime) -> str:
    return f"which stay right for {seconds(each.changes_s)} on average" + ("" if each.stated else ", assumed: prompts.changes does not say")


def lifetimes(scenario: Any) -> Iterator[Lifetime]:
    """Of every class whose prompts users share, in the first cache that serves it."""
    for kind, each in enumerate(scenario.workload.requests):
        place = serving(scenario.gateway.cache, each.name)
        if place != NOBODY and each.prompts is not None:
            cache, stated = scenario.gateway.cache[place], each.prompts.changes
            sliding = bool(getattr(cache, "sliding", False))
            yield Lifetime(place, kind, each.name, cache.ttl, told_after_s(cache), sliding, stated or ASSUMED_CHANGE_S, stated is not None)


def hits_of(run: Run, kind: int) -> int:
    return int(hits_in(Window(run), kind).sum())


def hits_in(window: Window, kind: int) -> np.ndarray:
    return np.asarray((window["outcome"] == CACHE_HIT) & (window["kind"] == kind))


def is_seen(run: Run, each: Lifetime) -> bool:
    """Whether the rows say which hits are outdated, and the run is as long as an entry may live."""
    return each.stated and bool(run.scenario.workload.duration >= each.ttl_s)


def out_of_date(run: Run, each: Lifetime) -> float:
    """Share of a class's cache hits."""
    if is_seen(run, each):
        window = Window(run)
        return float(window["outdated"][hits_in(window, each.kind)].mean()) if hits_of(run, each.kind) else 0.0
    if not each.sliding:
        return aged(min(each.ttl_s, each.told_s) / each.changes_s)
    age_s = ages(run, each.kind)
    return float((1 - np.exp(-age_s / each.changes_s)).mean()) if len(age_s) else 0.0


def aged(x: float) -> float:
    """1 - (1 - exp(-x)) / x: the mean of 1 - exp(-u) over u in [0, x]."""
    return 1 + math.expm1(-x) / x if x > 0 else 0.0


def ages(run: Run, kind: int) -> np.ndarray:
    """How old the answers are that hits of a class got, in seconds."""
    hits = (run.requests["kind"] == kind) & (run.requests["outcome"] == CACHE_HIT)
    return np.asarray(run.requests["answer_age_s"][hits])


def stale_answers(run: Run, each: Lifetime) -> np.ndarray:
    """Share of all requests that are hits of this class out of date, by replication."""
    window = Window(run)
    hits = hits_in(window, each.kind)
    if is_seen(run, each):
        return np.asarray(window.count(hits & (window["outdated"] == 1)) / np.maximum(1, window.count()))
    return np.asarray(window.count(hits) / np.maximum(1, window.count()) * out_of_date(run, each))


def right_ttl(each: Lifetime) -> float:
    """The lifetime at which OUT_OF_DATE of the hits are out of date: about a tenth of the time that answers stay right. Seconds."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if aged(middle) < OUT_OF_DATE else (low, middle)
    return math.floor(low * each.changes_s)


def shortened(trials: Trials, long: list[Lifetime]) -> tuple[str, ...]:
    caches = trials.tree()["gateway"]["cache"]
    for each in long:
        caches[each.cache]["ttl"] = f"{min(right_ttl(other) for other in long if other.cache == each.cache):g}s"
        caches[each.cache].pop("sliding", None)
    return (change("gateway.cache", caches),)
