"""Changed versions of one scenario, predicted with the same random numbers, and what a change gains as a paired difference."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sim.analysis.estimators import Estimate
from sim.analysis.metrics import METRICS
from sim.analysis.paired_comparison import difference, one_replication
from sim.analysis.window import Window
from sim.data.run import Run
from sim.formatting import Document, interval, metric_words, say
from sim.scenario.budgets import Span
from sim.scenario.load import Loaded
from sim.scenario.metric_names import Unit
from sim.whatif.configurations import Load
from sim.whatif.evaluation import figure_alone

Changes = tuple[str, ...]
"""Overrides, ``path=value``."""


def change(path: str, value: Any) -> str:
    """An override; the value in JSON, which YAML reads."""
    return f"{path}={json.dumps(value)}"


@dataclass
class Trials:
    """Predictions of ``base`` and of changes to it, none made twice. ``predict`` makes a Run of a scenario at a scale; every one with the
    same seed and number of replications.
    """

    base: Loaded
    load: Load
    predict: Callable[[Loaded, float], Run]
    kept: dict[tuple[Changes, float], Run] = field(default_factory=dict)

    @property
    def scenario(self) -> Any:
        return self.base.scenario

    def tree(self) -> dict[str, Any]:
        return self.base.tree()

    def run(self, changes: Changes = (), scale: float = 1.0) -> Run:
        """Raises ScenarioError for changes that do not hold together."""
        key = (changes, scale)
        if key not in self.kept:
            self.kept[key] = self.predict(self.load(changes) if changes else self.base, scale)
        return self.kept[key]


class Gain(NamedTuple):
    """A figure before and after a change; ``change`` is the paired difference with its interval of 95 %."""

    figure: str
    unit: Unit
    before: float | None
    after: float | None
    change: Estimate
    phase: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "figure": self.figure,
            "unit": self.unit,
            "phase": self.phase or None,
            "before": self.before,
            "after": self.after,
            "change": self.change.as_dict(),
        }


def gain(figure: str, before: Run, after: Run, spans: Sequence[Span] | None = None, phase: str = "") -> Gain:
    """Of two runs with the same random numbers; ``spans``: the part of them that is looked at (default: all after the warm-up)."""
    return gain_of(figure, METRICS[figure].unit, by_replication(before, figure, spans), by_replication(after, figure, spans), phase)


def gain_of(figure: str, unit: Unit, before: np.ndarray, after: np.ndarray, phase: str = "") -> Gain:
    """From a figure's values by replication, shape (replications,), nan where one cannot say."""
    found = difference(before, after)
    return Gain(figure, unit, found.baseline, found.candidate, found.change, phase)


def by_replication(run: Run, figure: str, spans: Sequence[Span] | None = None) -> np.ndarray:
    """One figure of each replication alone, float64, shape (replications,)."""
    return np.array([figure_alone(Window(one_replication(run, number), spans), figure) for number in range(run.replications)])


def surely_less(found: Gain) -> bool:
    """The change's interval lies below zero. Without an interval (one replication) the value decides."""
    high = found.change.value if found.change.high is None else found.change.high
    return high is not None and high < 0


def share_saved(found: Gain) -> float:
    """Of what it was before; 0 where that is nothing or not known."""
    return (found.before - found.after) / found.before if found.before and found.after is not None else 0.0


def gain_words(row: Document) -> str:
    """``cost per month: $1,200 → $900 (-$310 … -$290)``."""
    name = metric_words(row["figure"]) if row["figure"] in METRICS else row["figure"]
    bounds = interval(row["change"], row["unit"])
    return (
        f"{name}{' ' + row['phase'] if row['phase'] else ''}: {say(row['before'], row['unit'])} → {say(row['after'], row['unit'])}"
        f"{f' (change {bounds})' if bounds else ''}"
    )
