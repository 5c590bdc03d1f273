"""Freshness of what caches serve: how old the answer is, and whether the content that it rests on has changed since.

A class's content may change (``prompts.changes``): each prompt's at the times of a Poisson process of its own, drawn cell by cell of time,
so that nothing need be remembered. The caches of all kinds ask here; there is no decision of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, floor, inf, nan
from typing import Any

from sim.kernel.containers import NOBODY, Keyed
from sim.kernel.random import node_below, root_of, uniform_below, uniform_of
from sim.kernel.state import Short, Wide, state
from sim.scenario.finding import Finding
from sim.scenario.metric_names import StageFigure
from sim.stochastics.random_streams import Purpose

EXACT, SEMANTIC, CDN = 1, 2, 3
OPTIONAL = True


@state
class State:
    root: Wide  # of the draws


@state
class Change:
    """Of the content of a request class."""

    mean_s: float = inf


@state
class Call:
    answered_by: int = NOBODY  # the prompt whose answer it gets
    cache_layer: Short = 0
    answer_age_s: float = nan
    outdated: bool = False


COLUMNS = {
    "cache_layer": ("i1", "the cache that answered: 1 exact, 2 semantic, 3 CDN; 0 none"),
    "answer_age_s": ("f8", "since the answer that a cache gave was made; nan if none did"),
    "outdated": ("i1", "1: its content had changed since the cached answer was made"),
}
FIGURES = {
    "answer_age_s": StageFigure("s", "lower", "age of the answers that caches gave, on average", column="answer_age_s"),
    "outdated_rate": StageFigure("share", "lower", "requests answered from a cache whose content had changed since", column="outdated"),
    "exact_hit_rate": StageFigure("share", "higher", "requests answered from an exact cache", column="cache_layer", equals=EXACT),
    "semantic_hit_rate": StageFigure("share", "higher", "requests answered from a semantic cache", column="cache_layer", equals=SEMANTIC),
    "cdn_hit_rate": StageFigure("share", "higher", "requests answered by the CDN", column="cache_layer", equals=CDN),
}


def check(scenario: Any) -> Iterator[Finding]:
    changes = any(each.prompts is not None and each.prompts.changes is not None for each in scenario.workload.requests)
    for number, cache in enumerate(scenario.gateway.cache):
        here = ("gateway", "cache", number)
        if cache.invalidation == "version" and not changes:
            message = "no content changes, so there is nothing to be told of"
            yield Finding((*here, "invalidation"), message, "say how often: prompts: {catalog: 1000, changes: 6h}", warning=True)
        if cache.notice > 0 and cache.invalidation != "version":
            message = "the cache is never told of changes"
            yield Finding((*here, "notice"), message, "write invalidation: version, or leave it out", warning=True)


def build(scenario: Any, seed: int) -> Any:
    return State(root_of(seed, Purpose.CONTENT)) if scenario.gateway.cache else None


def caches_of(scenario: Any, kind: str) -> list[Any]:
    """The scenario's caches of a kind, in its order."""
    return [cache for cache in scenario.gateway.cache if cache.kind == kind]


def serving(caches: Sequence[Any], name: str) -> int:
    """The place of the first of these caches that serves a request class; NOBODY: none does."""
    return next((place for place, cache in enumerate(caches) if not cache.classes or name in cache.classes), NOBODY)


def told_after_s(cache: Any) -> float:
    """How long after a change of the content a cache is told of it; inf: never."""
    return float(cache.notice) if cache.invalidation == "version" else inf


def content_changes(scenario: Any, s: Any) -> Keyed:
    rows = []
    for each in scenario.workload.requests:
        mean_s = None if each.prompts is None else each.prompts.changes
        rows.append(Change(inf if mean_s is None else mean_s))
    return Keyed(len(rows), Change, rows)


TABLES = (content_changes,)


def changed(g: Any, kind: int, prompt: Any, from_s: float, to_s: float) -> bool:
    """Whether the content behind a prompt of this class has changed between two times."""
    mean_s = g.content_changes[kind].mean_s
    if mean_s == inf or to_s <= from_s:
        return False
    node = node_below(g.freshness.root, prompt)
    for cell in range(floor(from_s / mean_s), floor(to_s / mean_s) + 1):  # each as long as the mean: a Poisson number with mean 1
        for number in range(poisson_of_one(uniform_of(node, cell))):
            at_s = (cell + uniform_below(node, cell, number)) * mean_s
            if from_s < at_s <= to_s:
                return True
    return False


def poisson_of_one(draw: float) -> int:
    """The Poisson number with mean 1 that a uniform draw stands for, by inversion."""
    count, probability = 0, exp(-1.0)
    total = probability
    while draw > total and count < 20:
        count += 1
        probability /= count
        total += probability
    return count


def serve(g: Any, c: Any, layer: int, prompt: Any, made_s: float, now_s: float) -> None:
    """The call gets the answer to ``prompt`` that was made at ``made_s``."""
    c.answered_by, c.cache_layer = prompt, layer
    c.answer_age_s = now_s - made_s
    c.outdated = changed(g, c.kind, prompt, made_s, now_s)
