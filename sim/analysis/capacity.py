"""What is paid by the hour, used or not: the gateway's workers, as many as there were at each moment, and reserved capacity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sim.analysis.estimators import Estimate, mean_estimate
from sim.analysis.window import Window
from sim.data.run import Run
from sim.gateway.stages.autoscale import at_start

HOUR_S = 3600.0
SAMPLES = 1200


def worker_steps(run: Run, replication: int) -> tuple[np.ndarray, np.ndarray]:
    """(from when, workers) of one replication: those that were asked for, which is what is paid; both of shape (changes + 1,)."""
    changes = [
        (event["at_s"], event["workers"])
        for event in run.events
        if event["event"] == "scaling" and event["replication"] == replication and event["state"] in ("up", "down")
    ]
    steps = np.array([(0.0, at_start(run.scenario.gateway)), *changes])
    return steps[:, 0], steps[:, 1]


def worker_samples(run: Run) -> np.ndarray:
    """Workers at regular times, of all replications: rows with ``at_s`` and ``workers``."""
    count = SAMPLES
    at_s = np.linspace(0.0, run.scenario.workload.duration, count, endpoint=False)
    rows = np.zeros(count * run.replications, [("at_s", "f8"), ("workers", "i8")])
    rows["at_s"] = np.tile(at_s, run.replications)
    for number in range(run.replications):
        from_s, workers = worker_steps(run, number)
        rows["workers"][number * count : (number + 1) * count] = workers[np.searchsorted(from_s, at_s, side="right") - 1]
    return rows


def worker_seconds(window: Window) -> np.ndarray:
    """In the window; shape (replications,)."""
    return np.array([sum(spent_s for _, spent_s in pieces(window, number)) for number in range(window.run.replications)])


def pieces(window: Window, replication: int) -> Iterator[tuple[float, float]]:
    """(workers, worker-seconds) of each stretch of the window with one number of workers."""
    from_s, workers = worker_steps(window.run, replication)
    until_s = np.append(from_s[1:], np.inf)
    for start_s, end_s in window.spans:
        lasts_s = np.minimum(until_s, end_s) - np.maximum(from_s, start_s)
        for count, seconds in zip(workers[lasts_s > 0].tolist(), lasts_s[lasts_s > 0].tolist(), strict=True):
            yield count, count * seconds


def mean_workers(window: Window) -> Estimate:
    return mean_estimate(worker_seconds(window) / window.seconds)


def most_workers(window: Window) -> Estimate:
    """The highest number in any replication: an observation, hence without bounds."""
    return Estimate(max(count for number in range(window.run.replications) for count, _ in pieces(window, number)))


LEVELS = {"mean": mean_workers, "max": most_workers}


def is_priced(scenario: Any) -> bool:
    """Whether anything is paid by the hour."""
    return bool(scenario.gateway.worker_usd_per_hour > 0.0 or reserved_usd_per_hour(scenario) > 0.0)


def reserved_usd_per_hour(scenario: Any) -> float:
    """Of all providers' reserved capacity."""
    reserved = [provider.reserved for provider in scenario.providers.values() if provider.reserved is not None]
    return float(sum(each.units * each.usd_per_hour for each in reserved))


def capacity_usd(window: Window) -> np.ndarray:
    """Cost of what is paid by the hour in the window; shape (replications,). Of no class of requests in particular: nothing of some."""
    usd = np.zeros(window.run.replications)
    scenario = window.run.scenario
    if window.classes is not None or not is_priced(scenario):
        return usd
    if scenario.gateway.worker_usd_per_hour > 0.0:
        usd += worker_seconds(window) / HOUR_S * scenario.gateway.worker_usd_per_hour
    return usd + window.seconds / HOUR_S * reserved_usd_per_hour(scenario)
