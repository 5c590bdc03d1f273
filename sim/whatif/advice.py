"""What to raise first: every limit that may bind is doubled in turn and the scenario predicted again, so that advice is tried advice."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from sim.analysis.knobs import Steps, knob_of
from sim.formatting import Document, number
from sim.scenario.errors import ScenarioError, write_path
from sim.scenario.load import Loaded
from sim.whatif.budgets import excess
from sim.whatif.configurations import Load
from sim.whatif.evaluation import broken, holds

CANDIDATES = 4
"""Limits tried, the most loaded first."""
LOADED = 0.3
"""Load below which a limit that refuses nothing is not tried."""
HELPS = 0.02
"""Share of the excess over the budgets that a limit has to take away to be said to help."""
RATE = re.compile(r"(?P<count>[0-9.]+(?:e[-+]?\d+)?)(?P<per>/.+)")


class Raised(NamedTuple):
    """A limit doubled: ``path`` from ``old`` to ``new``; what its prediction says."""

    limit: str
    path: str
    old: str
    new: str
    found: Document

    def as_dict(self, before: Document) -> dict[str, Any]:
        return {
            "limit": self.limit,
            "path": self.path,
            "from": self.old,
            "to": self.new,
            "holds": holds(self.found),
            "excess": total_excess(self.found),
            "excess_before": total_excess(before),
            "budgets": self.found["budgets"],
        }


def tried(loaded: Loaded, load: Load, before: Document, evaluate: Callable[[Loaded], Document]) -> list[Raised]:
    """Each of the limits that may bind in ``before`` doubled, the one that helps most first; of equals the most loaded."""
    tree = loaded.tree()
    raised: list[Raised] = []
    for row in candidates(before):
        steps = knob_of(row["limit"])
        old = at(tree, steps) if steps else None
        new = doubled(old)
        if steps is None or new is None or write_path(steps) in [each.path for each in raised]:
            continue
        path = write_path(steps)
        try:
            changed = load([f"{path}={new}"])
        except ScenarioError:  # at the end of what the language allows
            continue
        raised.append(Raised(row["limit"], path, str(old), new, evaluate(changed)))
        if len(raised) == CANDIDATES:
            break
    return sorted(raised, key=lambda each: (not holds(each.found), total_excess(each.found)))


def candidates(document: Document) -> list[Document]:
    """Limits that refuse or are loaded, those that refuse first."""
    rows = [row for row in document["limits"] if row["refused"] or (row["load"] or 0.0) >= LOADED]
    return sorted(rows, key=lambda row: (-row["refused_share"], -(row["load"] or 0.0)))


def helps(raised: Raised, before: Document) -> bool:
    return holds(raised.found) or total_excess(raised.found) < (1 - HELPS) * total_excess(before)


def total_excess(document: Document) -> float:
    return sum(map(excess, document["budgets"]))


def at(tree: Any, steps: Steps) -> Any:
    for step in steps:
        if not isinstance(tree, dict) or step not in tree:
            return None
        tree = tree[step]
    return tree


def doubled(value: Any) -> str | None:
    """``64`` → 128, ``30/min`` → 60/min; None for what cannot be doubled."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return f"{value * 2:g}"
    found = RATE.fullmatch(str(value))
    return f"{float(found['count']) * 2:.12g}{found['per']}" if found else None


def in_words(raised: list[Raised], before: Document, scale: float) -> str:
    """``raise gateway.queue.concurrency first: at 128 instead of 64 every budget holds at 6.4x``."""
    if not raised:
        return "no limit that can be raised comes near its load; what breaks the budget is elsewhere"
    best = raised[0]
    if not helps(best, before):
        return f"doubling any one of {', '.join(each.path for each in raised)} does not mend it"
    change = f"at {best.new} instead of {best.old}"
    if holds(best.found):
        return f"raise {best.path} first: {change} every budget holds at {scale:g}x"
    left = ", ".join(each["budget"] for each in broken(best.found))
    taken = 1 - total_excess(best.found) / total_excess(before)
    return f"raise {best.path} first: {change} takes away {number(100 * taken)} % of the excess at {scale:g}x, {left} still breaks"
