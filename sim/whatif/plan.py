"""The largest scale that a scenario bears, as a document and in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from shlex import quote
from typing import Any

from sim.formatting import Document, listed, times
from sim.report.verdicts import budget_value
from sim.scenario.budgets import parse_budget
from sim.scenario.load import Loaded
from sim.whatif.advice import Raised, helps, in_words, tried
from sim.whatif.capacity import LEAST, Capacity, largest_scale
from sim.whatif.configurations import Load
from sim.whatif.evaluation import broken

SCHEMA_VERSION = 1
MONEY = "USD"
SPEND_LESS = "no limit binds but the money: it grows with the traffic, so spend less on each request or raise that budget"
Evaluate = Callable[[Loaded, float], Document]


def plan(loaded: Loaded, load: Load, evaluate: Evaluate, most: float, seed: int, command: Callable[[Document], str]) -> dict[str, Any]:
    """``tenfold plan --json``: the largest scale up to ``most``, what breaks above it, which limit binds there, and what to raise first.

    ``below`` and ``above`` are whole predictions at the last scale that holds and at the first that does not; ``command`` is told one and
    gives the command line that says the same again. Where money alone sets the limit, ``leaving_money_aside`` says the same of the other
    budgets.
    """
    whole: dict[float, Document] = {}

    def note(changed: Loaded, scale: float) -> Document:
        document = evaluate(changed, scale)
        if changed is loaded:
            whole[scale] = document
        return document

    answered = capacity_document(loaded, load, note, most, command)
    above = answered["above"]
    aside = None
    if above is not None and only_money(above) and not all(map(is_money, above["budgets"])):
        aside = capacity_document(loaded, load, lambda changed, scale: without_money(note(changed, scale)), most, command)
        answered["answer"] += f" Leaving money aside: {aside['answer'][:1].lower()}{aside['answer'][1:]}"
        answered["commands"] += aside["commands"]
        answered["scales"] = [whole[scale] for scale in sorted(whole)]
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": loaded.scenario.name,
        "scenario_sha256": loaded.sha256,
        "seed": seed,
        "replications": answered["scales"][0]["replications"],
        **answered,
        "leaving_money_aside": aside,
    }


def capacity_document(loaded: Loaded, load: Load, evaluate: Evaluate, most: float, command: Callable[[Document], str]) -> dict[str, Any]:
    found = largest_scale(lambda scale: evaluate(loaded, scale), most)
    held, breaks = found.edge
    above = None if breaks is None else found.points[breaks]
    raised: list[Raised] = []
    if above is not None and breaks is not None and not only_money(above):
        raised = tried(loaded, load, above, lambda changed: evaluate(changed, breaks))
    return {
        "answer": says(found, raised),
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


# ---- money ------------------------------------------------------------------------------------------------------------
def is_money(budget: Document) -> bool:
    return parse_budget(budget["budget"]).metric.unit == MONEY


def only_money(document: Document) -> bool:
    """Nothing else breaks a budget."""
    return all(map(is_money, broken(document)))


def without_money(document: Document) -> Document:
    """Held to its other budgets alone."""
    return dict(document) | {"budgets": [each for each in document["budgets"] if not is_money(each)]}


# ---- words ------------------------------------------------------------------------------------------------------------
def says(found: Capacity, raised: Sequence[Raised]) -> str:
    held, breaks = found.edge
    if breaks is None and held is not None:
        return f"Holds up to {times(held)}, the most that was tried: {found.points[held]['binding']}."
    assert breaks is not None, "an edge has one side at least"
    above = found.points[breaks]
    failing = listed([f"{each['budget']} breaks ({budget_value(each)})" for each in broken(above) if each["verdict"] == "broken"])
    unknown = listed([each["budget"] for each in broken(above) if each["verdict"] == "insufficient"])
    lacking = f"too few samples to judge {unknown}: give more --replications or a longer workload.duration" if unknown else ""
    what = "; ".join(filter(None, [failing, lacking]))
    to_do = SPEND_LESS if only_money(above) else f"{above['binding']}; {in_words(list(raised), above, breaks)}"
    first = f"Holds at no scale down to {times(LEAST)}" if held is None else f"Holds up to {times(held)}{interval_words(found)}"
    return f"{first}: at {times(breaks)} {what}; {to_do}."


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
