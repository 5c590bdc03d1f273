"""What a guide's range hangs on, as one number each: how often prompts repeat, how long conversations and answers are, how many calls are
simple. Turned until the model meets the range, it says what traffic the guide must have had in mind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sim.guide.trials import Changes, change

Tree = dict[str, Any]
PLACES = 0.01
"""Relative width to which a lever's place is found: prices and tokens are known no better."""


class Lever(NamedTuple):
    """``changes(tree, place)`` of a resolved scenario; ``says(place)``: that place in words. ``today`` is where the scenarios stand."""

    name: str
    low: float
    high: float
    today: float
    changes: Callable[[Tree, float], Changes]
    says: Callable[[float], str]


def shares(tree: Tree, wanted: dict[str, float]) -> Changes:
    """The classes with other shares of the calls."""
    requests = tree["workload"]["requests"]
    for each in requests:
        each["share"] = wanted.get(each["name"], each["share"])
    return (change("workload.requests", requests),)


def share_of(tree: Tree, name: str) -> float:
    return next(float(each["share"]) for each in tree["workload"]["requests"] if each["name"] == name)


def repeated(tree: Tree, place: float) -> Changes:
    """So many of the calls that a smaller model can answer are common questions, the others simple ones."""
    small = share_of(tree, "common") + share_of(tree, "simple")
    return shares(tree, {"common": small * place, "simple": small * (1 - place)})


def mostly_simple(tree: Tree, place: float) -> Changes:
    common = share_of(tree, "common")
    return shares(tree, {"simple": place - common, "complex": 1 - place})


def turns(tree: Tree, place: float) -> Changes:
    return (change("workload.conversations.turns", {"kind": "geometric", "mean": round(place, 4)}),)


def answers(tree: Tree, place: float) -> Changes:
    requests = tree["workload"]["requests"]
    for each in requests:
        law = each["tokens"]["output"]
        law["values"] = [value * place for value in law["values"]]
    return (change("workload.requests", requests),)


MEAN_ANSWER = 211.0
REPEATS = Lever(
    "repeats", 0.01, 0.99, 0.25, repeated, lambda place: f"{100 * place:.0f} % of the calls for the small model were one of 2,000 questions"
)
SIMPLE = Lever("simple", 0.3, 0.99, 0.8, mostly_simple, lambda place: f"{100 * place:.0f} % of the calls could go to the cheaper model")
TURNS = Lever("turns", 1.05, 40.0, 5.8, turns, lambda place: f"conversations were {place:.1f} turns long on average")
ANSWERS = Lever(
    "answers",
    0.05,
    4.0,
    1.0,
    answers,
    lambda place: f"answers were {MEAN_ANSWER * place:.0f} tokens long on average ({place:.2f} times ours)",
)


class Place(NamedTuple):
    """Where a lever makes a figure ``target``; None: nowhere between its ends, at which the figure is ``at_ends``."""

    place: float | None
    target: float
    at_ends: tuple[float, float]


def solve(figure: Callable[[float], float], target: float, lever: Lever) -> Place:
    """By Brent's method (``scipy.optimize.brentq``); with common random numbers the figure is a function of the place alone."""
    from scipy.optimize import brentq

    ends = figure(lever.low), figure(lever.high)
    if (ends[0] - target) * (ends[1] - target) > 0:
        return Place(None, target, ends)
    place = brentq(lambda at: figure(at) - target, lever.low, lever.high, xtol=PLACES * lever.low, rtol=PLACES, maxiter=12, disp=False)
    return Place(float(place), target, ends)
