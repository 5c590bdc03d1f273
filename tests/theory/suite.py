"""All entries of the theory suite, what is left out and why, and running them into rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import NamedTuple

from sim.analysis.estimators import Estimate
from sim.analysis.window import Window
from tests.theory import batches, limits, queues, resilience
from tests.theory.entry import Entry
from tests.theory.verdict import Verdict, verdict

ENTRIES: tuple[Entry, ...] = tuple(entry for family in (queues, batches, limits, resilience) for entry in family.entries())

CHECKED_ELSEWHERE = {
    "quantile_ci": "order statistics and sample sizes: tests/theory/test_closed_forms.py",
    "mser": "warm-up: tests/sim/analysis/test_warmup.py",
    "runlength_mm1": "says how long a run must be: the sizes of the runs here follow it",
    "precision_iid": "as runlength_mm1",
}
"""Keys of values.json that are no queue: numbers about estimators."""

NOT_SAID = {
    "forkjoin_queue": "calls of a batch meet one queue, not one each: providers refuse when they are full, they do not queue",
    "token_bucket_shaper": "the gateway's limits refuse, as every gateway in the field does; none delays",
    "retry/layers_3x4_attempts": "one layer retries, the gateway; clients and agents do not",
    "retry/grpc_throttle_critical_failure_rate": "the budget is Finagle's (requests pay in, retries out), not gRPC's",
    "retry/google_throttle": "client-side adaptive throttling is not a policy of the gateway",
    "lru_che/*/static_topC": "no static cache; and the cache's fill is not a metric (mean_items_fixed)",
    "cache_exact/fifo_or_random": "least recently used is the only eviction; so too lfu_static",
    "priority_mg1/*/T_preemptive_resume": "an answer under way is never interrupted for another",
    "failover_request_loss": "a rule of thumb; outages are noticed call by call, by a breaker, not after a fixed time to detect",
    "breakdowns that pause a server": "a provider that is down refuses, fails or hangs (availability/*); work never pauses to go on later",
    "retrials from an orbit": "closed forms have exponential pauses and no last attempt; backoffs here are the field's, with a last one",
    "metastable_retry": "an attempt that times out is cut and its work stops: no server here goes on with what nobody waits for",
    "hpa": "the number of workers is fixed in a scenario",
    "rare_event/mm1_hit_n_before_empty": "needs importance splitting: 1e-6 events are out of reach of plain replications",
}
"""Entries of the table that a scenario cannot say, and why."""


class Row(NamedTuple):
    entry: Entry
    figure: str
    expected: tuple[float, float]
    goal: float | str
    verdict: Verdict
    requests: int
    engine: str

    @property
    def narrow(self) -> bool:
        """As narrow as asked; True where nothing is asked."""
        return isinstance(self.goal, str) or self.verdict.half_width <= self.goal


def family_of(entries: Iterable[Entry]) -> int:
    return sum(len(entry.figures) for entry in entries)


def check(entry: Entry, family: int, part: float | None = None, executor: Executor | None = None, engine: str = "compiled") -> list[Row]:
    """Run an entry and hold its figures to their closed forms, ``family`` figures being asked in all."""
    estimates: list[list[Estimate]] = [[] for _ in entry.figures]
    requests, replications, used = 0, 0, ""
    for run in entry.runs(part, executor, engine):
        requests, replications, used = requests + len(run.requests), run.replications, run.engine
        window = Window(run)
        for figure, found in zip(entry.figures, estimates, strict=True):
            found.append(figure.of(window))
    return [
        Row(entry, figure.label, figure.bracket, figure.goal, verdict(found, replications, family, figure.bracket), requests, used)
        for figure, found in zip(entry.figures, estimates, strict=True)
    ]


def check_all(entries: Iterable[Entry], executor: Executor | None = None, tell: Callable[[str], None] = lambda text: None) -> list[Row]:
    entries = list(entries)
    rows: list[Row] = []
    for entry in entries:
        tell(entry.name)
        rows += check(entry, family_of(entries), executor=executor)
    return rows
