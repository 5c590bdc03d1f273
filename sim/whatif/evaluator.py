"""Evaluates scenarios, several at once where there is an Executor, none of them twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any

from sim.data.spill import most_in_memory
from sim.engine.runner import replicator
from sim.engine.selection import choose_one
from sim.scenario.load import Loaded
from sim.scenario.model import Scenario
from sim.scenario.size import expected_requests
from sim.whatif.evaluation import Job, evaluate
from sim.whatif.kept import Kept, key_of

SHARED_FROM = 2_000_000
"""Requests over all replications of one compiled run."""


@dataclass
class Evaluator:
    """``evaluate`` is for one scenario, whose replications an ``executor`` shares; ``each`` for many, which it shares whole.

    ``runs``: about how many are going to be evaluated, so that ``auto`` takes compiled code where all of them together pay for compiling.
    ``share_all``: have the executor do what would be done sooner here.
    """

    seed: int
    replications: int
    engine: str
    figures: tuple[str, ...]
    runs: int
    kept: Kept = field(default_factory=lambda: Kept(None))
    executor: Executor | None = None
    workers: int = 1
    share_all: bool = False

    def engine_for(self, scenarios: Sequence[Scenario], scale: float) -> str:
        return choose_one(self.engine, scenarios, scale, self.replications * self.runs).engine

    def job(self, loaded: Loaded, scale: float, engine: str) -> tuple[str, Job]:
        """Under which key it is kept, and what is to be done."""
        key = key_of(loaded, scale, self.seed, self.replications, engine)
        rows = most_in_memory() // max(1, self.workers)
        return key, Job(loaded.scenario, scale, self.seed, self.replications, engine, self.figures, rows)

    def evaluate(self, loaded: Loaded, scale: float) -> dict[str, Any]:
        """One scenario's figures, computed or kept."""
        key, job = self.job(loaded, scale, self.engine_for([loaded.scenario], scale))
        document = self.kept.get(key, self.figures)
        if document is None:
            document = evaluate(job, self.executor if self.worth_sharing(job) else None)
            self.kept.put(key, document)
        return document

    def worth_sharing(self, job: Job) -> bool:
        """Compiled code makes rows about as fast as they can be sent from a worker: only long runs gain by it."""
        return self.share_all or job.engine == "simpy" or expected_requests(job.scenario, job.scale) * job.replications > SHARED_FROM

    def each(
        self, several: Sequence[Loaded], scale: float, tell: Callable[[int, dict[str, Any] | None], None] | None = None
    ) -> list[dict[str, Any]]:
        """Their figures, in their order. ``tell`` is told how many of them are known so far, and the last."""
        engine = self.engine_for([loaded.scenario for loaded in several], scale)
        jobs = dict(self.job(loaded, scale, engine) for loaded in several)
        keys = [self.job(loaded, scale, engine)[0] for loaded in several]
        missing = {key: job for key, job in jobs.items() if self.kept.get(key, self.figures) is None}
        done = set(jobs) - set(missing)
        known = sum(key in done for key in keys)
        if tell is not None:
            tell(known, None)
        for key, document in self.finished(missing):
            self.kept.put(key, document)
            known += keys.count(key)
            if tell is not None:
                tell(known, document)
        return [self.kept.found[key] for key in keys]

    def finished(self, jobs: dict[str, Job]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each with its key, as soon as it is done."""
        if self.executor is None or len(jobs) <= 1:
            for key, job in jobs.items():
                yield key, evaluate(job, self.executor if self.worth_sharing(job) else None)
            return
        for job in jobs.values():  # compiled here, so that no two workers compile the same
            replicator(job.engine, job.scenario)
        under_way: dict[Future[dict[str, Any]], str] = {self.executor.submit(evaluate, job): key for key, job in jobs.items()}
        try:
            while under_way:
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    yield under_way.pop(future), future.result()
        finally:
            for future in under_way:
                future.cancel()
