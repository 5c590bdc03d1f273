"""An entry of the theory suite: a scenario, and what queueing theory says of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.analysis.estimators import Estimate, mean_estimate
from sim.analysis.metrics import everyone, mean_of, measure, quantile_of, queued, share_of
from sim.analysis.window import Window
from sim.data.outcomes import OK
from sim.data.run import Run
from sim.engine.runner import predict
from sim.gateway.language import Scenario, load
from sim.scenario.distributions import mean

BASE = Path(__file__).parents[2] / "scenarios" / "validation" / "mm1.yaml"
VALUES: dict[str, Any] = json.loads(Path(__file__).with_name("values.json").read_text())
MEANS, TAILS = 0.02, 0.05
"""The relative half-widths that a whole run reaches on means, and shares of a tenth or more, and on quantiles."""
RARE = "rare, none asked"
Of = Callable[[Window], Estimate]


@dataclass(frozen=True)
class Figure:
    """One figure of a run and its closed form: a number, or (from, to) where only brackets are known.

    ``goal``: the relative half-width of its 95 % interval in a whole run, or why none is asked.
    """

    label: str
    of: Of
    expected: float | tuple[float, float]
    goal: float | str = MEANS

    @property
    def bracket(self) -> tuple[float, float]:
        if isinstance(self.expected, tuple):
            return self.expected
        slack = 5e-6 * abs(self.expected)  # the table holds six digits
        return self.expected - slack, self.expected + slack


def share_goal(expected: float) -> float | str:
    return MEANS if expected >= 0.1 else RARE


@dataclass(frozen=True)
class Entry:
    """``sets`` are what ``--set`` says over scenarios/validation/mm1.yaml. A whole run takes ``duration_s`` in each replication, ``seeds``
    times over; ``quick`` is the part of it that CI runs with every change, 0 for none of it. ``brief``: the part that a slow test runs on
    SimPy's clock of an entry that is not quick; a whole run is for compiled code.

    Where many requests are needed: more replications keep the timeline dense, whose samples are limited in each; more seeds keep
    the memory that a run takes within 3 GB.
    """

    name: str
    sets: Sequence[str]
    figures: Sequence[Figure]
    duration_s: float
    warmup_s: float = 0.0
    replications: int = 20
    seeds: int = 1
    quick: float = 0.05
    brief: float = 0.1

    def scenario(self, part: float = 1.0) -> Scenario:
        """Through the public language, as ``tenfold predict`` loads it."""
        own = ["name=" + re.sub(r"[^A-Za-z0-9._]+", "-", self.name)]
        times = [f"workload.duration={self.warmup_s + self.duration_s * part:.12g}s", f"workload.warmup={self.warmup_s:.12g}s"]
        return load(BASE, [*own, *times, *self.sets]).scenario

    def runs(self, part: float | None = None, executor: Any = None, engine: str = "compiled") -> Iterator[Run]:
        """One for each seed. A part of the whole is one run of at most 20 replications. ``engine``: by default the compiled one, which
        runs every entry, as SimPy does.
        """
        scenario = self.scenario(1.0 if part is None else part)
        seeds, replications = (self.seeds, self.replications) if part is None else (1, min(self.replications, 20))
        for seed in range(scenario.seed, scenario.seed + seeds):
            yield predict(scenario, replications=replications, seed=seed, executor=executor, engine=engine)


# ---- figures ----------------------------------------------------------------------------------------------------------
def metric(name: str, times: float = 1.0) -> Of:
    return lambda window: measure(window, name).times(times)


def wait_over(limit_s: float) -> Of:
    """P(W > t) of those who came to the queue."""
    return share_of(lambda window: window["queue_wait_s"] > limit_s, queued)


def accepted(window: Window) -> np.ndarray:
    return window["outcome"] == OK


def accepted_wait_quantile(quantile: float) -> Of:
    return quantile_of("queue_wait_s", quantile, accepted)


def share_that(outcome: int) -> Of:
    return share_of(lambda window: window["outcome"] == outcome)


def of_class(kind: int) -> Of:
    """Mean wait for admission of one request class."""
    return mean_of("queue_wait_s", lambda window: window["kind"] == kind)


def wait_of_everyone(window: Window) -> Estimate:
    return mean_of("queue_wait_s", everyone)(window)


def per_replication(figure: Callable[[np.ndarray], float], table: str = "requests") -> Of:
    """A figure of each replication's counted rows, with Student's t over replications."""

    def of(window: Window) -> Estimate:
        run = window.run
        rows = run.counted if table == "requests" else getattr(run, table)
        return mean_estimate([figure(rows[rows["replication"] == replication]) for replication in range(run.replications)])

    return of


def lognormal(mean_s: float, cv2: float) -> str:
    sigma = math.sqrt(math.log(1 + cv2))
    return f"{{kind: lognormal, median: {mean_s * math.exp(-sigma * sigma / 2):.12g}s, sigma: {sigma:.12g}}}"


def service(law: str) -> str:
    return f"providers.server.models.job.latency={law}"


def offered_s(scenario: Scenario) -> float:
    """Mean service time of the scenario's only model."""
    (provider,) = scenario.providers.values()
    (model,) = provider.models.values()
    assert model.latency is not None
    return mean(model.latency)
