"""The cheapest configuration within all budgets: every combination where there are few, else differential evolution.

Differential evolution (Storn & Price, 1997; ``scipy.optimize``) needs no slopes, takes whole numbers, and compares candidates only by which
is better: one that misses its budgets is worse than any that keeps them, and of two that miss them the one that misses by more is worse
(Deb, 2000).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from sim.analysis.metrics import METRICS
from sim.formatting import Document, listed, metric_words, percent, say, seconds
from sim.report.verdicts import budget_value
from sim.scenario.load import Loaded
from sim.whatif.advice import total_excess
from sim.whatif.charts import front
from sim.whatif.configurations import Configuration, Load, configurations
from sim.whatif.evaluation import AVAILABILITY, P99, broken, holds, unsure, value_of
from sim.whatif.variation import Knob, Listed, Settings, as_words, grid, grid_size, sample, settings_at

SCHEMA_VERSION = 1
LEAST_CANDIDATES, MOST_CANDIDATES = 8, 24
GENERATIONS = 8
"""At least, among which the predictions that may be made are shared."""
BROKEN = 1e15
"""Above what any figure is: where the objective of those that miss a budget begins."""
EvaluateAll = Callable[[Sequence[Loaded]], Sequence[Document]]


class Search(NamedTuple):
    """``method`` in words; every configuration that was predicted, with its document, in the order in which they were."""

    method: str
    tried: list[tuple[Configuration, Document]]


def search(knobs: Sequence[Knob], load: Load, evaluate: EvaluateAll, minimised: str, most: int, seed: int) -> Search:
    """Every combination if there are at most ``most``; else differential evolution, which stops after about ``most``. The first that is
    tried is the scenario as it stands. Raises ScenarioError for values that do not hold together with the rest.
    """
    if grid_size(knobs) <= most:
        made = configurations(load, [(), *grid(knobs)], "--knob")
        return Search(f"all {len(made) - 1} combinations", list(zip(made, evaluate([each.loaded for each in made]), strict=True)))
    return evolve(knobs, load, evaluate, minimised, most, seed)


def evolve(knobs: Sequence[Knob], load: Load, evaluate: EvaluateAll, minimised: str, most: int, seed: int) -> Search:
    from scipy.optimize import differential_evolution

    known: dict[Settings, tuple[Configuration, Document]] = {}

    def predict_new(wanted: Iterable[Settings]) -> None:
        new = [each for each in dict.fromkeys(wanted) if each not in known]
        made = [replace(one, number=len(known) + one.number) for one in configurations(load, new, "--knob")]
        for each, document in zip(made, evaluate([each.loaded for each in made]), strict=True):
            known[each.settings] = (each, document)

    def map_all(_: Any, population: Iterable[np.ndarray]) -> list[float]:
        """The objective of a whole generation, whose new members are predicted at once."""
        settings = [settings_at(knobs, shares_of(knobs, row)) for row in population]
        room = max(0, most + 1 - len(known))
        new = [each for each in dict.fromkeys(settings) if each not in known]
        predict_new(new[:room])
        return [objective(known[each][1], minimised) if each in known else math.inf for each in settings]

    count = int(np.clip(most // GENERATIONS, LEAST_CANDIDATES, MOST_CANDIDATES))
    predict_new([()])
    start = [[place_of(knob, value) for knob, (_, value) in zip(knobs, settings, strict=True)] for settings in sample(knobs, count, seed)]
    differential_evolution(
        never_called,
        bounds=[(0.0, last_place(knob)) for knob in knobs],
        integrality=[is_counted(knob) for knob in knobs],
        init=np.array(start),
        maxiter=10 * GENERATIONS,
        seed=np.random.default_rng(seed),
        polish=False,
        tol=0.0,
        updating="deferred",
        workers=map_all,
        callback=lambda *_: len(known) > most,
    )
    method = f"differential evolution (scipy), {len(known) - 1} of {grid_size_words(knobs)} configurations"
    return Search(method, list(known.values()))


def never_called(_: np.ndarray) -> float:
    raise AssertionError("whole generations are evaluated by map_all")


def objective(document: Document, minimised: str) -> float:
    """The figure, turned so that less is better; beyond BROKEN where a budget is missed."""
    if not holds(document):
        return BROKEN * (1 + total_excess(document))
    value = value_of(document, minimised)
    if math.isnan(value):
        return BROKEN
    return -value if METRICS[minimised].better == "higher" else value


# ---- knobs as numbers -------------------------------------------------------------------------------------------------
def is_counted(knob: Knob) -> bool:
    """Its values are numbered from 0, others lie on [0, 1]."""
    return len(knob.values) < 2**31


def last_place(knob: Knob) -> float:
    return float(len(knob.values) - 1) if is_counted(knob) else 1.0


def shares_of(knobs: Sequence[Knob], places: Iterable[float]) -> list[float]:
    """Places in [0, 1], as ``Span.at`` takes them."""
    return [
        (round(float(place)) + 0.5) / len(knob.values) if is_counted(knob) else min(1.0, max(0.0, float(place)))
        for knob, place in zip(knobs, places, strict=True)
    ]


def place_of(knob: Knob, value: str) -> float:
    """The place of one of its values."""
    if isinstance(knob.values, Listed):
        return float(knob.values.values.index(value))
    low, high = knob.values.low, knob.values.high
    beyond = float(value.removesuffix(knob.values.unit)) - low
    return beyond if is_counted(knob) else beyond / (high - low)


def grid_size_words(knobs: Sequence[Knob]) -> str:
    return f"{grid_size(knobs):,}" if all(map(is_counted, knobs)) else "endless"


# ---- the answer -------------------------------------------------------------------------------------------------------
def minimise_document(
    loaded: Loaded, found: Search, minimised: str, seed: int, paths: Sequence[str], command: Callable[[Settings, Document], str]
) -> dict[str, Any]:
    """``tenfold plan --minimise --json``. ``best`` is the number of the winner, null where none keeps every budget; ``tradeoff`` are the
    numbers of those within all budgets of which no other is both cheaper and quicker.
    """
    rows = [
        {
            "configuration": each.number,
            "settings": dict(each.settings),
            "scenario_sha256": each.loaded.sha256,
            **{key: document[key] for key in ("scale", "requests", "replications", "engine", "figures", "budgets", "binding", "outcomes")},
            "holds": holds(document),
        }
        for each, document in found.tried
    ]
    within = [row for row in rows if row["holds"]]
    best = min(within, key=lambda row: (objective(row, minimised), value_of(row, P99)), default=None)
    first = rows[0]
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": loaded.scenario.name,
        "scenario_sha256": loaded.sha256,
        "seed": seed,
        "scale": first["scale"],
        "replications": first["replications"],
        "minimised": minimised,
        "method": found.method,
        "varied": list(paths),
        "figures": list(first["figures"]),
        "best": None if best is None else best["configuration"],
        "answer": says(rows, best, minimised, found.method),
        "tradeoff": [row["configuration"] for row in front(within)],
        "command": None if best is None else command(tuple(best["settings"].items()), best),
        "configurations": rows,
    }


def says(rows: Sequence[Document], best: Document | None, minimised: str, method: str) -> str:
    aim = "Highest" if METRICS[minimised].better == "higher" else "Lowest"
    if best is None:
        close = min(rows, key=total_excess)
        failing = listed([f"{each['budget']} ({budget_value(each)})" for each in broken(close)])
        return f"Nothing tried holds every budget ({method}); the closest is {words_of(close)}, which breaks {failing}."
    first = rows[0]
    unit = METRICS[minimised].unit
    value = say(best["figures"][minimised]["value"], unit)
    p99, available = (best["figures"][name]["value"] for name in (P99, AVAILABILITY))
    breaks = "" if first["holds"] else f", which breaks {listed([each['budget'] for each in broken(first)])}"
    today = (
        "it is the scenario as it stands" if best is first else f"as it stands {say(first['figures'][minimised]['value'], unit)}{breaks}"
    )
    sure = "; not surely: an interval reaches over its limit" if unsure(best) else ""
    figures = f"{value}, P99 {seconds(p99)}, {percent(available)} available"
    return f"{aim} {metric_words(minimised)} within all budgets: {words_of(best)}: {figures}; {today} ({method}{sure})."


def words_of(row: Document) -> str:
    return as_words(tuple(row["settings"].items()))
