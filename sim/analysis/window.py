"""The part of a Run that counts: requests that arrived in given spans of time, their attempts and the timeline, by replication."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from sim.analysis.batch_latency import Batches, batches_of
from sim.data.outcomes import CACHE_HIT, OK, is_available, is_served
from sim.data.run import Run
from sim.data.table import Columns
from sim.gateway.rows import REQUESTS
from sim.scenario.budgets import Span
from sim.scenario.model import Trace
from sim.workload.calls import population


class Window:
    """Columns of the requests whose intended arrival lies in ``spans`` (default: from the end of the warm-up to the end of the run), of all
    classes or of some: ``classes``, places in ``workload.requests``; and of those whose last attempt went to ``targets``, if given.

    Columns lie ordered by replication, and stay at hand for the next figure, so that 2.4 million rows are measured in seconds.
    Figures "per second" divide by ``seconds``, the length of the spans; a request counts where it arrives, wherever it ends.
    """

    def __init__(
        self, run: Run, spans: Sequence[Span] | None = None, classes: Sequence[int] | None = None, targets: Sequence[int] | None = None
    ) -> None:
        self.run = run
        self.spans: tuple[Span, ...] = ((run.warmup_s, end_of(run)),) if spans is None else tuple(spans)
        # The last arrivals of a measured run may be stamped a hair after the end: the default window is open there.
        arrival_s = run.requests["arrival_s"]
        self.classes, self.targets = classes, targets
        counted = arrival_s >= run.warmup_s if spans is None else within(arrival_s, self.spans)
        self.requests = Columns(run.requests, counted & self.selected)
        self.replication = self.requests.made("replication")
        if np.any(self.replication[1:] < self.replication[:-1]):
            self.requests.order = np.argsort(self.replication, kind="stable")
            self.replication = self.requests.made("replication")
        ends = np.searchsorted(self.replication, np.arange(run.replications), side="right").tolist()
        self.slices = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    @property
    def selected(self) -> np.ndarray | np.bool_:
        """Mask over all requests of the run: of these classes and targets."""
        of_class = np.True_ if self.classes is None else np.isin(self.run.requests["kind"], self.classes)
        return of_class if self.targets is None else of_class & np.isin(self.run.requests["target"], self.targets)

    def __len__(self) -> int:
        return len(self.replication)

    def __getitem__(self, name: str) -> np.ndarray:
        """One column of the request rows over the window, ordered by replication; or ``added_latency_s`` or ``job_s``, which are made from
        them. Zeros of a stage that the scenario does not use.

        The client of an accepted job waits for its acceptance alone: that is the ``latency_s`` and ``ttft_s`` of one that was answered.
        """
        if name == "added_latency_s":
            return self.added_latency_s
        if name == "job_s":
            return np.where(self.is_job, self.requests["latency_s"], np.nan)
        if name in ("latency_s", "ttft_s") and self.run.scenario.gateway.jobs is not None:
            return np.where(self.is_job, self.requests["accepted_s"], self.requests[name])
        if name not in (self.run.requests.dtype.names or ()):
            return np.zeros(len(self), REQUESTS[name])
        return self.requests[name]

    @property
    def seconds(self) -> float:
        """Length of the spans: one replication's observed time."""
        return sum(max(0.0, end - start) for start, end in self.spans)

    @property
    def users(self) -> int:
        """The population, which scales with the traffic."""
        return population(self.run.scenario.workload, self.run.scale)

    @cached_property
    def available(self) -> np.ndarray:
        """Mask: ended in a fresh answer (ok, cache hit)."""
        return is_available(self["outcome"])

    @cached_property
    def served(self) -> np.ndarray:
        """Mask: ended in some answer, perhaps a stale or a canned one."""
        return is_served(self["outcome"])

    @cached_property
    def is_job(self) -> np.ndarray:
        """Mask: answered after it had been accepted as a job."""
        if self.run.scenario.gateway.jobs is None:
            return np.zeros(len(self), bool)
        return self.available & ~np.isnan(self["accepted_s"])

    @cached_property
    def added_latency_s(self) -> np.ndarray:
        """What the gateway itself costs: latency less the time that the answering attempt took at the provider. The whole latency of a
        cache hit, and of a job, whose client does not wait for a provider; nan for everything else. To the nanosecond: what lies below are
        rounding errors of the difference.
        """
        outcome, latency_s = self["outcome"], self["latency_s"]
        by_itself = (outcome == CACHE_HIT) | self.is_job
        at_provider_s = np.where(by_itself, 0.0, self["first_token_s"] + self["generation_s"])
        at_provider_s[(outcome != CACHE_HIT) & (outcome != OK)] = np.nan
        return np.maximum(0.0, np.round(latency_s - at_provider_s, 9))

    def count(self, mask: np.ndarray | None = None) -> np.ndarray:
        """Requests per replication; shape (replications,)."""
        return np.array([own.stop - own.start if mask is None else np.count_nonzero(mask[own]) for own in self.slices])

    def sum(self, values: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Sum of ``values`` per replication; shape (replications,)."""
        return np.array([(values[own] if mask is None else values[own][mask[own]]).sum(dtype=float) for own in self.slices])

    def split(self, values: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
        """The masked values, one array per replication."""
        return [values[own][mask[own]] for own in self.slices]

    @cached_property
    def batches(self) -> Batches:
        """Calls that came together, as one row for each batch."""
        return batches_of(self.replication, self["arrival_s"], self["turn"], self["latency_s"], self.available)

    @cached_property
    def attempts(self) -> Columns:
        """Columns of the attempts of the window's requests; those whose request is unknown count by when they started, but of no class."""
        attempts = self.run.attempts
        if not len(attempts) or not len(self.run.requests):
            return Columns(attempts, np.zeros(len(attempts), bool))
        request, unknown = attempts["request"], attempts["request"] < 0
        counted = np.zeros((self.run.replications, int(max(self.run.requests["request"].max(), request.max())) + 1), dtype=bool)
        counted[self.replication, self["request"]] = True
        inside = counted[attempts["replication"], request]
        if unknown.any():
            inside[unknown] = within(attempts["started_s"][unknown], self.spans) if self.classes is None and self.targets is None else False
        return Columns(attempts, inside)

    @cached_property
    def timeline(self) -> np.ndarray:
        """Timeline rows in the spans; empty where the run kept none."""
        timeline = self.run.timeline
        return timeline[within(timeline["at_s"], self.spans)] if timeline.dtype.names and len(timeline) else timeline[:0]


def within(times_s: np.ndarray, spans: Sequence[Span]) -> np.ndarray:
    """Mask: start <= time < end for one of the spans."""
    inside = np.zeros(len(times_s), dtype=bool)
    for start, end in spans:
        inside |= (times_s >= start) & (times_s < end)
    return inside


def end_of(run: Run) -> float:
    """When arrivals end: with the scenario's duration, or with a trace that is over before."""
    duration_s: float = run.scenario.workload.duration
    if isinstance(run.scenario.workload.arrivals, Trace) and len(run.requests):
        return min(duration_s, float(run.requests["arrival_s"].max()))
    return duration_s
