"""A scenario beside the guide: its mistakes with evidence, what has no effect, and the checklist of its size, as one document."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from sim.analysis.bottleneck import bottleneck_in_words
from sim.analysis.metrics import measure
from sim.data.run import Run
from sim.formatting import Document, listed
from sim.guide.checklists import PEAK, PROJECTED, Seen, walk
from sim.guide.mistakes import cold_starts, no_degradation, over_caching, single_provider, token_limits, vertical_scaling
from sim.guide.trials import Trials
from sim.workload.calls import stated_population

SCHEMA_VERSION = 1
MISTAKES: dict[str, ModuleType] = {
    "over-caching": over_caching,
    "ignoring token limits": token_limits,
    "single provider dependency": single_provider,
    "no graceful degradation": no_degradation,
    "scaling vertically only": vertical_scaling,
    "cold starts": cold_starts,
}
"""By their names, in the guide's order."""
SCALES = (1.0, PEAK, PROJECTED)
KEPT = ("cost_usd.per_month", "availability", "latency_s.p50", "latency_s.p99", "cache_hit_rate", "offered_rps")
"""Figures of each scale that the document has, and by which two audits are compared."""


def find_mistakes(trials: Trials) -> list[dict[str, Any]]:
    """All six in the guide's order; ``found`` is null for one that is not made."""
    rows = []
    for name, mistake in MISTAKES.items():
        found = mistake.find(trials)
        rows.append({"mistake": name, "guide": mistake.WORDS, "found": None if found is None else found.as_dict()})
    return rows


def audit(trials: Trials) -> dict[str, Any]:
    """``tenfold audit --json``. Plain JSON types."""
    loaded = trials.base
    runs = {scale: trials.run(scale=scale) for scale in SCALES}
    mistakes = find_mistakes(trials)
    made = [row["mistake"] for row in mistakes if row["found"]]
    lists = walk(Seen(trials.scenario, runs, frozenset(made)))
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": trials.scenario.name,
        "scenario_sha256": loaded.sha256,
        "seed": runs[1.0].seed,
        "replications": runs[1.0].replications,
        "users": stated_population(trials.scenario.workload),
        "answer": answer(made, lists),
        "mistakes": mistakes,
        "without_effect": [{"path": each.path, "says": each.message, "todo": each.hint} for each in loaded.warnings],
        "checklists": lists,
        "scales": [figures(run) for run in runs.values()],
    }


def figures(run: Run) -> dict[str, Any]:
    return {"scale": run.scale, "binding": bottleneck_in_words(run), **{name: measure(run, name).as_dict() for name in KEPT}}


def answer(made: list[str], lists: list[dict[str, Any]]) -> str:
    """``2 of the guide's 6 mistakes: …; 7 of 13 lines that are due are ticked.``"""
    due = [line for each in lists if each["due"] for line in each["lines"] if line["ticked"] is not None]
    ticked = sum(line["ticked"] for line in due)
    told = (
        f"{len(made)} of the guide's {len(MISTAKES)} mistakes: {listed(made)}" if made else f"None of the guide's {len(MISTAKES)} mistakes"
    )
    return f"{told}; {ticked} of {len(due)} due lines of its checklists are ticked."


def drift(document: Document, earlier: Document) -> list[dict[str, Any]]:
    """What has moved since an earlier audit: spend, capacity and quality at each scale, mistakes made and mended since.

    ``sure``: the two intervals of a figure do not overlap.
    """
    rows: list[dict[str, Any]] = []
    before = {each["scale"]: each for each in earlier["scales"]}
    for each in document["scales"]:
        old = before.get(each["scale"])
        if old is None:
            continue
        for name in KEPT:
            was, now = old[name], each[name]
            if was["value"] and now["value"] is not None and was["value"] != now["value"]:
                rows.append({"scale": each["scale"], "figure": name, "was": was, "is": now, "sure": apart(was, now)})
    was_made, is_made = ({row["mistake"] for row in which["mistakes"] if row["found"]} for which in (earlier, document))
    rows += [{"mistake": name, "since": "new"} for name in sorted(is_made - was_made)]
    rows += [{"mistake": name, "since": "mended"} for name in sorted(was_made - is_made)]
    return rows


def apart(was: Document, now: Document) -> bool:
    if None in (was["low"], was["high"], now["low"], now["high"]):
        return False
    return bool(now["low"] > was["high"] or now["high"] < was["low"])
