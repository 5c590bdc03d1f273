"""Predictions of the guide's scenarios, none made twice, and figures over them by replication."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sim.analysis.estimators import Estimate, mean_estimate
from sim.analysis.metrics import DAY_S, measure
from sim.analysis.window import Window
from sim.data.run import Run
from sim.guide.trials import Changes, Trials, by_replication
from sim.scenario.load import Loaded

Load = Callable[[str, Sequence[str]], Loaded]


@dataclass
class Cases:
    """``load`` finds a shipped scenario by its name below ``guide/``. ``predict`` makes a Run of a scenario at a scale; all with as many
    replications, and one scenario always with the same random numbers.
    """

    load: Load
    predict: Callable[[Loaded, float], Run]
    trials: dict[str, Trials] = field(default_factory=dict)

    def of(self, name: str) -> Trials:
        if name not in self.trials:
            base = self.load(name, ())
            self.trials[name] = Trials(base, lambda changes: self.load(name, changes), self.predict)
        return self.trials[name]

    def run(self, name: str, changes: Changes = (), scale: float = 1.0) -> Run:
        return self.of(name).run(changes, scale)

    def figure(self, name: str, figure: str) -> Estimate:
        return measure(self.run(name), figure)

    def saving(self, before: str, after: str, figure: str = "cost_usd.per_month", changes: Sequence[Changes] = ((), ())) -> Estimate:
        """The share of a figure that ``after`` saves, paired: both have the same traffic and the same random numbers."""
        was, now = (figure_by(self.run(name, more), figure) for name, more in zip((before, after), changes, strict=True))
        return mean_estimate(1 - now / was)


def figure_by(run: Run, figure: str) -> np.ndarray:
    """By replication; CALLS is a figure of the guide alone."""
    if figure == CALLS:
        return np.asarray(by_replication(run, "offered_rps") * by_replication(run, "attempts_per_request") * DAY_S)
    return by_replication(run, figure)


CALLS = "API calls a day"


def calls_a_day(run: Run) -> Estimate:
    """Attempts sent to providers: what a cache answers is no API call."""
    return mean_estimate(figure_by(run, CALLS))


def most_users_at_a_time(run: Run) -> Estimate:
    """Conversations under way at the busiest moment, the mean over replications."""
    window = Window(run)
    begins, ends = window["arrival_s"], window["arrival_s"] + window["latency_s"]
    found = []
    for own in window.slices:
        first, last = spans(window["conversation"][own], begins[own], ends[own])
        moves = np.concatenate([np.ones(len(first)), -np.ones(len(last))])
        order = np.lexsort((moves, np.concatenate([first, last])))
        found.append(float(np.cumsum(moves[order]).max(initial=0.0)))
    return mean_estimate(found)


def spans(conversation: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """When each conversation's first call comes and its last one is answered, in seconds; shapes (conversations,)."""
    _, place = np.unique(conversation, return_inverse=True)
    count = int(place.max()) + 1 if len(place) else 0
    first, last = np.full(count, np.inf), np.zeros(count)
    np.minimum.at(first, place, begins)
    np.maximum.at(last, place, ends)
    return first, last


def users_at_a_time(run: Run) -> Estimate:
    """Conversations under way, over time: from the first call's arrival to the last one's answer. Those that reach over the window's ends
    count with their part in it."""
    window = Window(run)
    begins, ends = window["arrival_s"], window["arrival_s"] + window["latency_s"]
    found = []
    for own in window.slices:
        first, last = spans(window["conversation"][own], begins[own], ends[own])
        found.append(float((last - first).sum()) / window.seconds)
    return mean_estimate(found)
