"""Request classes, users and conversations, fitted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.importing.calls import Calls
from sim.importing.hashing import mixed
from sim.importing.laws import FEWEST, Fit, fit
from sim.importing.noted import Evidence, law_data
from sim.importing.targets import Targets, clean
from sim.scenario.distributions import Geometric

MOST_CLASSES = 24
SMALLEST_SHARE = 0.005
REPEATED_FROM = 0.01
MOST_CATALOG = 300_000
EXACT = 1000
"""Ranks of a catalog that are counted singly."""


@dataclass
class Asking:
    """``classes``: workload.requests. ``group`` and ``target``: of each class, the group's name and the number of who answers it."""

    classes: list[dict[str, Any]] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    target: list[int] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    prompts_known: bool = False


def fit_classes(calls: Calls, targets: Targets, fresh: np.ndarray | None = None) -> Asking:
    """A class for every model group, target and feature with a share of its own; small ones count to their nearest.

    ``fresh``: input tokens of each call without the history before it, where conversations send that along.
    """
    asking = Asking()
    group, feature, target = calls.texts["group"], calls.texts["feature"], lone_target(calls, targets)
    asking.prompts_known = calls.knows("prompt")
    into = calls.input_tokens if fresh is None else fresh
    names: set[str] = set()
    parts = split(group, feature, target)
    for (g, f, t), rows in parts:
        model = targets.names[t][1]
        name = calls.text("group", g) or model
        label = clean(" ".join(filter(None, [name if len({p[0][0] for p in parts}) > 1 or f < 0 else "", calls.text("feature", f)])), "ask")
        if label in names:
            label = clean(f"{label}-{model}"[:90])
        while label in names:
            label += "-2"
        names.add(label)
        asking.group.append(clean(name))
        asking.target.append(t)
        fit_class(asking, label, calls.where(rows, only=("prompt",)), into[rows], len(rows) / len(calls), history=fresh is not None)
    return asking


def lone_target(calls: Calls, targets: Targets) -> np.ndarray:
    """Who answered each call; where nobody is named (a cache hit, a refusal), whoever answers most of its group."""
    of = targets.of.copy()
    unknown = of < 0
    if unknown.any():
        for g in np.unique(calls.texts["group"][unknown]).tolist():
            same = calls.texts["group"] == g
            known = of[same & ~unknown]
            of[same & unknown] = np.bincount(known).argmax() if len(known) else 0
    return of


def split(group: np.ndarray, feature: np.ndarray, target: np.ndarray) -> list[tuple[tuple[int, int, int], np.ndarray]]:
    """Rows by (group, feature, target), largest first. Small parts lose their feature, then join the largest."""
    n = len(group)
    places = (int(target.max()) + 2, int(feature.max()) + 2) if n else (1, 1)
    keys = ((group.astype(np.int64) + 1) * places[1] + feature + 1) * places[0] + target + 1
    for least in (SMALLEST_SHARE, 0.0):
        numbers, index, counts = np.unique(keys, return_inverse=True, return_counts=True)
        found = np.stack([numbers // places[0] // places[1], numbers // places[0] % places[1], numbers % places[0]], axis=1) - 1
        order = np.argsort(-counts, kind="stable")
        small = np.ones(len(found), bool)
        small[order[:MOST_CLASSES]] = False
        small |= counts < max(least * n, 1)
        if least and small.any():
            keys = (numbers - np.where(small, (found[:, 1] + 1) * places[0], 0))[index]  # without a feature
    keep = order[:MOST_CLASSES]
    place = np.full(len(found), int(keep[0]), np.int64)
    place[keep] = keep
    for each in order[MOST_CLASSES:]:
        place[each] = next((k for k in keep if found[k][2] == found[each][2]), keep[0])
    owner = place[index]
    return [((int(found[k][0]), int(found[k][1]), int(found[k][2])), np.flatnonzero(owner == k)) for k in keep]


def fit_class(asking: Asking, label: str, rows: Calls, into: np.ndarray, share: float, history: bool) -> None:
    number = len(asking.classes)
    path = f"workload.requests[{number}]"
    good = rows.served
    sizes = {}
    for name, values in (("input", into[good]), ("output", rows.output_tokens[good])):
        found = fit(values, False)
        sizes[name] = law_data(found.law) if found.n else {"kind": "constant", "value": 1}
        says = found.says if found.n else "the log has no tokens: 1 is an ASSUMPTION"
        asking.evidence.append(Evidence(f"{path}.tokens.{name}", says, found if found.n else None, weak=found.n < FEWEST))
    data: dict[str, Any] = {"name": label, "share": share}
    if history:
        data["history"] = True
    repeated = None if history else catalog_of(rows, path)
    if repeated is not None:
        data["prompts"], evidence = repeated
        asking.evidence.append(evidence)
    asking.classes.append({**data, "tokens": sizes})


def catalog_of(rows: Calls, path: str) -> tuple[dict[str, Any], Evidence] | None:
    """Catalog and exponent by which as many calls repeat an earlier prompt as in the log: by maximum likelihood over ranks."""
    prompts = rows.hashes["prompt"]
    prompts = prompts[prompts != 0]
    if len(prompts) < FEWEST or len(prompts) < 0.5 * len(rows):
        return None
    counts = np.sort(times_each(prompts))[::-1]
    n, distinct = int(counts.sum()), len(counts)
    repeats = 1 - distinct / n
    if repeats < REPEATED_FROM:
        return None
    coarse = [(zipf, size) for zipf in np.arange(0, 2.05, 0.2) for size in sizes_for(distinct, 10)]
    zipf, catalog = min(coarse, key=lambda pair: miss(pair[1], pair[0], n, distinct, counts))
    fine = [
        (z, size)
        for z in np.arange(max(0, zipf - 0.15), zipf + 0.16, 0.05)
        for size in np.geomspace(max(distinct, catalog / 2), catalog * 2, 7)
    ]
    zipf, catalog = min(fine, key=lambda pair: miss(int(pair[1]), pair[0], n, distinct, counts))
    again = 1 - expected(int(catalog), zipf, n) / n
    says = f"{repeats:.1%} of {n:,} calls repeat an earlier prompt, {distinct:,} different ones; this catalog repeats {again:.1%}"
    return {"catalog": int(catalog), "zipf": round(float(zipf), 2)}, Evidence(f"{path}.prompts", says)


def sizes_for(distinct: int, count: int) -> np.ndarray:
    most = min(MOST_CATALOG, max(distinct * 64, 2))
    return np.unique(np.geomspace(distinct, max(most, distinct + 1), count).astype(np.int64))


def shares(catalog: int, zipf: float) -> tuple[np.ndarray, np.ndarray]:
    """Zipf's shares by rank, and how many ranks each stands for: one up to EXACT, then narrow spans, so that millions cost as thousands."""
    edges = np.concatenate([np.arange(1, min(catalog, EXACT) + 1), np.geomspace(EXACT + 1, catalog + 1, 2000).astype(np.int64)])
    edges = np.unique(edges) if catalog > EXACT else np.arange(1, catalog + 2)
    width = np.diff(edges)
    p = ((edges[:-1] + edges[1:] - 1) / 2.0) ** -zipf
    return p / (p * width).sum(), width


def expected(catalog: int, zipf: float, n: int) -> float:
    """Different prompts among n calls."""
    p, width = shares(catalog, zipf)
    return float(-(np.expm1(-n * p) * width).sum())


def miss(catalog: int, zipf: float, n: int, distinct: int, counts: np.ndarray) -> float:
    """How far off the number of different prompts and the shares of the most asked ones are."""
    p, _ = shares(int(catalog), zipf)
    tops = [k for k in (1, 10, 100) if k <= len(counts)]
    head = sum(abs(float(p[:k].sum()) - counts[:k].sum() / n) for k in tops) / len(tops)
    return abs(expected(int(catalog), zipf, n) - distinct) / n * 4 + head


def fit_users(calls: Calls) -> tuple[int | None, float | None, Evidence | None]:
    """(users, users a day) by their hashes."""
    users = calls.hashes["user"]
    if not users.any():
        return None, None, None
    known = users != 0
    days = (calls.start_s[known] // 86_400).astype(np.uint64)
    a_day = len(times_each(mixed(days) ^ users[known])) / max(1.0, calls.span_s / 86_400)
    most = np.sort(times_each(users[known]))[::-1]
    count, busiest = len(most), most[:10].sum() / known.sum()
    says = f"{count:,} different users in {int(known.sum()):,} calls; the ten busiest made {busiest:.0%} (the model: all alike)"
    return count, a_day, Evidence("workload.users", says)


def times_each(values: np.ndarray) -> np.ndarray:
    """How often each different one stands there, by sorting: of millions several times as fast as np.unique."""
    values = np.sort(values)
    ends = np.flatnonzero(np.concatenate([values[1:] != values[:-1], [True]]))
    return np.diff(ends, prepend=-1)


@dataclass
class Talking:
    """``data``: workload.conversations. ``fresh``: input tokens without history, None unless history is sent along."""

    data: dict[str, Any]
    evidence: list[Evidence]
    fresh: np.ndarray | None


def fit_conversations(calls: Calls) -> Talking | None:
    """None unless a tenth of the calls belong to sessions of two and more."""
    session = calls.hashes["session"]
    if not session.any():
        return None
    order = np.argsort(session, kind="stable")
    linked = (session[order][1:] == session[order][:-1]) & (session[order][1:] != 0)
    if linked.mean() < 0.1 or linked.sum() < FEWEST:
        return None
    before, after = order[:-1][linked], order[1:][linked]
    begins = np.concatenate([[True], ~linked])
    turns = np.diff(np.append(np.flatnonzero(begins), len(order)))
    end_s = calls.start_s + np.nan_to_num(calls.duration_s)
    since_answer = calls.start_s[after] - end_s[before]
    waits = calls.has("duration_s") and bool((since_answer > -0.05).mean() > 0.97) and float(np.median(since_answer)) < 10
    think = np.maximum(since_answer if waits else calls.start_s[after] - calls.start_s[before], 1e-3)
    paused, length = fit(think, True), turn_law(turns)
    data: dict[str, Any] = {"turns": law_data(length.law), "think": law_data(paused.law)}
    if waits:
        data["after"] = "answer"
    cut = "; conversations cut by the log's ends look shorter than they are"
    evidence = [Evidence("workload.conversations.turns", length.says + cut, length, weak=length.n < FEWEST)]
    evidence.append(
        Evidence(
            "workload.conversations.think", paused.says + ("; from each answer: calls wait for the one before" if waits else ""), paused
        )
    )
    return Talking(data, evidence, fresh_tokens(calls, before, after))


def turn_law(turns: np.ndarray) -> Fit:
    mean = float(turns.mean())
    law = Geometric(kind="geometric", mean=float(f"{mean:.4g}"))
    n = len(turns)
    seen = np.array([(turns <= k).mean() for k in range(1, 40)])
    distance = float(np.max(np.abs(seen - (1 - (1 - 1 / mean) ** np.arange(1, 40)))))
    if distance < 0.03 + 1 / np.sqrt(n) or n < FEWEST:
        return Fit(law, n, distance, 0.0, 0.0, 0.0, np.sort(turns).astype(np.float64), {})
    return fit(turns.astype(np.float64), False)


def fresh_tokens(calls: Calls, before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """Tokens that each call adds, where most prompts are as long as all that was said before."""
    said = calls.input_tokens[before] + calls.output_tokens[before]
    known = np.isfinite(said) & np.isfinite(calls.input_tokens[after])
    if known.sum() < FEWEST or (calls.input_tokens[after] >= said)[known].mean() < 0.9:
        return None
    fresh = calls.input_tokens.copy()
    fresh[after] = np.where(known, np.maximum(calls.input_tokens[after] - said, 1), fresh[after])
    return fresh
