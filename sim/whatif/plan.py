"""The largest scale that a scenario bears, as a document and in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from shlex import quote
from typing import Any

from sim.formatting import Document, listed, times
from sim.report.verdicts import budget_value
from sim.scenario.load import Loaded
from sim.whatif.advice import Raised, helps, in_words, tried
from sim.whatif.capacity import LEAST, Capacity, largest_scale
from sim.whatif.configurations import Load
from sim.whatif.evaluation import broken

SCHEMA_VERSION = 1


def plan(
    loaded: Loaded,
    load: Load,
    evaluate: Callable[[Loaded, float], Document],
    most: float,
    seed: int,
    command: Callable[[Document], str],
) -> dict[str, Any]:
    """``tenfold plan --json``: the largest scale up to ``most``, what breaks above it, which limit binds there, and what to raise first.

    ``below`` and ``above`` are whole predictions at the last scale that holds and at the first that does not; ``command`` is told one and
    gives the command line that says the same again.
    """
    found = largest_scale(lambda scale: evaluate(loaded, scale), most)
    held, breaks = found.edge
    above = None if breaks is None else found.points[breaks]
    raised = [] if above is None or breaks is None else tried(loaded, load, above, lambda changed: evaluate(changed, breaks))
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": loaded.scenario.name,
        "scenario_sha256": loaded.sha256,
        "seed": seed,
        "replications": next(iter(found.points.values()))["replications"],
        "answer": says(found, most, raised),
        "largest_scale": {"value": held, "low": found.low, "high": found.high},
        "first_broken_scale": breaks,
        "breaks": [each["budget"] for each in broken(above)] if above else [],
        "binding": above["binding"] if above else None,
        "raise_first": raised[0].path if above and raised and helps(raised[0], above) else None,
        "raised": [each.as_dict(above) for each in raised] if above else [],
        "below": None if held is None else found.points[held],
        "above": above,
        "scales": [found.points[scale] for scale in sorted(found.points)],
        "commands": [command(found.points[scale]) for scale in (held, breaks) if scale is not None],
    }


def says(found: Capacity, most: float, raised: Sequence[Raised]) -> str:
    held, breaks = found.edge
    if breaks is None and held is not None:
        point = found.points[held]
        return f"Holds up to {times(held)}, the most that was tried: {point['binding']}."
    assert breaks is not None, "an edge has one side at least"
    above = found.points[breaks]
    failing = listed([f"{each['budget']} breaks ({budget_value(each)})" for each in broken(above) if each["verdict"] == "broken"])
    unknown = listed([each["budget"] for each in broken(above) if each["verdict"] == "insufficient"])
    lacking = f"too few samples to judge {unknown}: give more --replications or a longer workload.duration" if unknown else ""
    what = "; ".join(filter(None, [failing, lacking]))
    if held is None:
        return f"Holds at no scale down to {times(LEAST)}: at {times(breaks)} {what}; {above['binding']}."
    at = f"at {times(breaks)} {what}" if failing else f"from {times(breaks)} {what}"
    return f"Holds up to {times(held)}{interval_words(found)}: {at}; {above['binding']}; {in_words(list(raised), above, breaks)}."


def interval_words(found: Capacity) -> str:
    """`` (6.1 … 6.5)``; an end that was not reached is open; empty where there is no interval."""
    if found.low is None and found.high is None:
        return ""
    low, high = ("?" if end is None else f"{end:g}" for end in (found.low, found.high))
    return "" if low == high else f" ({low} … {high})"


def predict_command(path: str, overrides: Sequence[str], seed: int | None, point: Document) -> str:
    """A command line that says the figures of a document again; ``seed`` None: the scenario's own."""
    words = ["tenfold", "predict", path]
    for each in overrides:
        words += ["--set", each]
    words += ["--scale", f"{point['scale']:g}", "--replications", str(point["replications"]), "--engine", point["engine"]]
    words += [] if seed is None else ["--seed", str(seed)]
    return " ".join(map(quote, words))
