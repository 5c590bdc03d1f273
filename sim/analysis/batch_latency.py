"""Calls that came together, as whoever sent them sees them: a batch is done when its slowest call is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.scenario.model import Workload


class Batches(NamedTuple):
    """Columns over batches, ordered by replication and arrival: ``replication`` int; ``latency_s`` of the slowest call;
    ``available`` whether every call got its answer.
    """

    replication: np.ndarray
    latency_s: np.ndarray
    available: np.ndarray

    def number(self, replications: int, mask: np.ndarray | None = None) -> np.ndarray:
        """Batches per replication; shape (replications,)."""
        return np.bincount(self.replication if mask is None else self.replication[mask], minlength=replications)

    def sums(self, replications: int) -> np.ndarray:
        """Latencies of available batches, added up per replication."""
        return np.bincount(self.replication[self.available], weights=self.latency_s[self.available], minlength=replications)

    def latencies(self, replications: int) -> list[np.ndarray]:
        """Of available batches, one array for each replication."""
        return np.split(self.latency_s[self.available], np.cumsum(self.number(replications, self.available))[:-1])


def has_batches(workload: Workload) -> bool:
    return getattr(workload.arrivals, "batch", None) is not None


def batches_of(replication: np.ndarray, arrival_s: np.ndarray, turn: np.ndarray, latency_s: np.ndarray, available: np.ndarray) -> Batches:
    """From columns over requests: those of one replication that arrived at the same moment are one batch (batches never do). Of
    conversations that begin together, the first turns; later ones come when they come.
    """
    first = np.flatnonzero(turn == 0)
    order = first[np.lexsort((arrival_s[first], replication[first]))]
    if not len(order):
        return Batches(replication[order], latency_s[order], available[order])
    moment, place = arrival_s[order], replication[order]
    begins = np.flatnonzero(np.append(True, (moment[1:] != moment[:-1]) | (place[1:] != place[:-1])))
    slowest = np.maximum.reduceat(latency_s[order], begins)
    return Batches(place[begins], slowest, np.logical_and.reduceat(available[order], begins))
