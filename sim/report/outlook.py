"""What a verdict leaves open, in a sentence or two: from where on a limit binds, what to raise first, and the bill."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from sim.analysis.bottleneck import binding_of
from sim.analysis.knobs import knob_of
from sim.formatting import Document, dollars, times
from sim.scenario.budgets import parse_budget
from sim.scenario.errors import write_path

NOTHING_LEFT = 1.0
"""Load at which what is asked is all that there is."""


def outlook(summary: Document) -> str:
    """Of predictions: ``The gateway's concurrency binds from about 7x; raise gateway.queue.concurrency first … $1,230 a month at 10x.``

    Empty for a measurement, and where neither a limit nor money is known. The first scale that breaks a budget counts, else the largest.
    """
    runs = [run for run in summary["runs"] if run["kind"] == "prediction"]
    if not runs or "verify" in summary:
        return ""
    runs = sorted(runs, key=lambda run: float(run["scale"]))
    broken = next((run for run in runs if broken_budgets(run)), None)
    shown = broken or runs[-1]
    limited = not all(parse_budget(budget["budget"]).metric.unit == "USD" for budget in broken_budgets(shown))
    return " ".join(filter(None, [limit_words(runs, shown, limited), money_words(shown)]))


def broken_budgets(run: Document) -> list[Document]:
    return [budget for budget in run["budgets"] if budget["verdict"] == "broken"]


def limit_words(runs: Sequence[Document], shown: Document, breaks: bool) -> str:
    binding = binding_of(shown["limits"])
    nearest = binding or next(iter(shown["limits"]), None)
    if nearest is None or not nearest["load"]:
        return ""
    scale, name = binds_from(runs, nearest["limit"]), nearest["limit"][:1].upper() + nearest["limit"][1:]
    if scale is None or (binding is not None and not breaks):
        return ""
    if not breaks:
        return f"Next comes {nearest['limit']}, which binds from about {scale:.2g}x."
    if binding is None:
        return f"No limit is short, so what breaks is elsewhere; the nearest, {nearest['limit']}, binds from about {scale:.2g}x."
    steps = knob_of(nearest["limit"])
    first = f"; raise {write_path(steps)} first (`tenfold plan` tries it)" if steps else ""
    return f"{name} binds from about {scale:.2g}x{first}."


def binds_from(runs: Sequence[Document], limit: str) -> float | None:
    """The scale at which a limit's load reaches 1: on the line between two runs; outside of them in proportion to the nearest."""
    loads = [(float(run["scale"]), row["load"]) for run in runs for row in run["limits"] if row["limit"] == limit and row["load"]]
    if not loads:
        return None
    for (low, before), (high, after) in pairwise(loads):
        if before < NOTHING_LEFT <= after:
            return low + (high - low) * (NOTHING_LEFT - before) / (after - before)
    scale, load = loads[0] if loads[0][1] >= NOTHING_LEFT else loads[-1]
    return float(scale / load)


def money_words(run: Document) -> str:
    cost = run["cost_usd"]["per_month"]["value"]
    return f"It will cost {dollars(cost)} a month at {times(run['scale'])}." if cost else ""
