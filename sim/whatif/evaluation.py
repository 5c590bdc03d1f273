"""One configuration's figures: small enough to be sent back from a worker and to be kept, unlike the rows that they are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

import numpy as np

from sim.analysis.bottleneck import bottleneck_in_words, ranked_limits
from sim.analysis.breakdowns import outcomes, refused_by
from sim.analysis.budgets import judge
from sim.analysis.metrics import METRICS, measure
from sim.analysis.paired_comparison import DELAYS, one_replication, quantile_alone
from sim.analysis.so_far import SoFar, Tally
from sim.analysis.summary import clean, judged
from sim.analysis.window import Window
from sim.data.run import Run
from sim.data.spill import RowKeeper
from sim.engine.replication import Part
from sim.engine.runner import predict
from sim.formatting import Document
from sim.scenario.budgets import find_metric, parse_budgets
from sim.scenario.metric_names import QUANTILES
from sim.scenario.model import Scenario

COST, P99, AVAILABILITY = "cost_usd.per_month", "latency_s.p99", "availability"
FIGURES = ("latency_s.p50", P99, "ttft_s.p99", AVAILABILITY, COST)
"""What a sweep shows unless asked for more."""
ALONE = {"cost": "cost.month", "latency": "latency.p99", "ttft": "ttft.p99"}
"""What a family's bare name stands for."""


class Job(NamedTuple):
    """``engine``: simpy or compiled. ``rows_in_memory``: requests whose rows may stand in the memory of whoever does it."""

    scenario: Scenario
    scale: float
    seed: int
    replications: int
    engine: str
    figures: tuple[str, ...]
    rows_in_memory: int | None = None


def evaluate(job: Job, executor: Executor | None = None, progress: Callable[[int, Part], None] | None = None) -> dict[str, Any]:
    """Predict it, and say what ``figures_of`` says."""
    keeper = RowKeeper(job.rows_in_memory)
    run = predict(job.scenario, job.scale, job.replications, job.seed, executor, progress, job.engine, keeper)
    return figures_of(run, job.figures)


def figures_of(run: Run, names: Sequence[str]) -> dict[str, Any]:
    """``figures``: each as an estimate with its values ``by_replication`` (null where one cannot say); the verdicts on the budgets, and
    what binds; ``traffic``: figures of all of it, the warm-up, too. Plain JSON types.
    """
    window = Window(run)
    alone = by_replication(run, names)
    return {
        "scale": run.scale,
        "requests": len(window),
        "replications": run.replications,
        "engine": run.engine,
        "figures": {
            name: {**METRICS[name].of(window).as_dict(), "by_replication": [plain(value) for value in alone[:, place]]}
            for place, name in enumerate(names)
        },
        "budgets": [judged(each) for each in judge(run, window=window)],
        "binding": bottleneck_in_words(run),
        "limits": [clean(row) for row in ranked_limits(run)],
        "outcomes": outcomes(window),
        "refused_by": refused_by(window),
        "traffic": traffic_of(run)._asdict(),
        "wall_s": run.wall_s,
    }


def traffic_of(run: Run) -> SoFar:
    tally = Tally(run.scenario.workload.duration)
    tally.add(run.requests, run.timeline, run.replications)
    return tally.so_far()


def by_replication(run: Run, names: Sequence[str]) -> np.ndarray:
    """Figures of each replication alone, float64, shape (replications, figures); nan where one cannot say."""
    found = np.full((run.replications, len(names)), np.nan)
    for number in range(run.replications):
        window = Window(one_replication(run, number))
        found[number] = [figure_alone(window, name) for name in names]
    return found


def figure_alone(window: Window, name: str) -> float:
    """One figure of a window over a single replication; nan where it cannot say."""
    family, _, figure = name.partition(".")
    if family in DELAYS and figure in QUANTILES:
        values = window[family]
        return quantile_alone(values[DELAYS[family](window) & ~np.isnan(values)], QUANTILES[figure])
    value = measure(window, name).value
    return math.nan if value is None else value


def plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def values_of(document: Document, name: str) -> np.ndarray:
    """A figure by replication, from a document of ``figures_of``; nan where one cannot say."""
    return np.array([math.nan if value is None else value for value in document["figures"][name]["by_replication"]])


def value_of(document: Document, name: str) -> float:
    """A figure of all replications together; nan where they cannot say."""
    value = document["figures"][name]["value"]
    return math.nan if value is None else float(value)


# ---- names ------------------------------------------------------------------------------------------------------------
def metric_named(text: str) -> str:
    """The full name of a metric as budgets spell it (``latency.p99``, ``cost.month``), of a family alone (``cost``), or in full.

    Raises sim.scenario.budgets.BudgetError.
    """
    return text if text in METRICS else find_metric(ALONE.get(text, text), text).name


def with_those_of_budgets(names: Iterable[str], scenario: Scenario) -> tuple[str, ...]:
    """``names``, and what the scenario's budgets are about, each once."""
    return tuple(dict.fromkeys([*names, *(budget.metric.name for budget in parse_budgets(scenario) if budget.metric.name in METRICS)]))


# ---- budgets ----------------------------------------------------------------------------------------------------------
def broken(document: Document) -> list[Document]:
    """The budgets that do not hold, or of which too few samples cannot say."""
    return [each for each in document["budgets"] if each["verdict"] != "ok"]


def holds(document: Document) -> bool:
    return not broken(document)


def unsure(document: Document) -> bool:
    """Some interval reaches over its budget's limit."""
    return any(each["straddles"] for each in document["budgets"])
