"""Calls that arrive together: M^[X]/M/1, M^[X]/D/1 and M^[X]/M/c."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from sim.analysis.estimators import Estimate, share_estimate
from sim.analysis.metrics import share_of
from sim.analysis.window import Window
from tests.theory.closed_forms import batch_mg1_wait, batch_mmc
from tests.theory.entry import MEANS, TAILS, VALUES, Entry, Figure, Of, lognormal, metric, service
from tests.theory.limits import NO_QUEUE

EXPONENTIAL, CONSTANT = "{kind: exponential, mean: 1s}", "{kind: constant, value: 1s}"


class Sizes(NamedTuple):
    """A law of batch sizes of mean 4: as a scenario says it, E X², P(X ≥ n)."""

    law: str
    square: float
    at_least: Callable[[np.ndarray], np.ndarray]


FOUR = Sizes("{kind: constant, value: 4}", 16.0, lambda n: (n <= 4).astype(float))
GEOMETRIC = Sizes("{kind: geometric, mean: 4}", 28.0, lambda n: 0.75 ** (n - 1.0))


def waited(window: Window) -> np.ndarray:
    return window["queue_wait_s"] > 0


def first_of_batch(window: Window) -> np.ndarray:
    """Mask: nobody before it arrived at the same moment."""
    order = np.lexsort((window["request"], window["arrival_s"], window.replication))
    at_s, replication = window["arrival_s"][order], window.replication[order]
    first = np.ones(len(window), dtype=bool)
    first[order[1:]] = (at_s[1:] != at_s[:-1]) | (replication[1:] != replication[:-1])
    return first


def figures_of(wait_s: float, first_waits: float, waits: float) -> list[Figure]:
    return [
        Figure("mean time in system", metric("latency_s.mean"), wait_s + 1.0, MEANS),
        Figure("mean wait", metric("queue_wait_s.mean"), wait_s, MEANS),
        Figure("P(first of a batch waits)", share_of(waited, first_of_batch), first_waits, MEANS),
        Figure("P(wait)", metric("queue_wait_s.p_wait"), waits, MEANS),
    ]


def sets(rate_rps: float, sizes: Sizes, servers: int, law: str) -> list[str]:
    return [
        f"workload.arrivals.rate={rate_rps:g}/s", f"workload.arrivals.batch={sizes.law}", f"gateway.queue.concurrency={servers}",
        service(law),
    ]  # fmt: skip


def one_server() -> Iterator[Entry]:
    """A batch finds the server busy with probability ρ; only the first of those that do not is served at once."""
    load = 0.7
    for name, sizes, law, cv2 in (
        ("mm1_constant4_rho0.7", FOUR, EXPONENTIAL, 1.0),
        ("mm1_geometric4_rho0.7", GEOMETRIC, EXPONENTIAL, 1.0),
        ("md1_constant4_rho0.7", FOUR, CONSTANT, 0.0),
    ):
        wait_s = batch_mg1_wait(load, 1.0, cv2, 4.0, sizes.square)
        figures = figures_of(wait_s, load, 1 - (1 - load) / 4)
        if (sizes, cv2) == (GEOMETRIC, 1.0):  # the time in system is exponential
            quantiles = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            figures += [
                Figure(f"time in system, {each}", metric(f"latency_s.{each}"), -(wait_s + 1.0) * math.log(1 - share), TAILS)
                for each, share in quantiles
            ]
        yield Entry(f"batch_arrivals/{name}", sets(load, sizes, 1, law), figures, 100_000 / load, 2_000.0)


def many_servers() -> Iterator[Entry]:
    """Some of a batch find a server, the rest of it wait: by the chain's numbers in system."""
    load, servers = 7.0, 10
    chain = batch_mmc(servers, load, GEOMETRIC.at_least)
    setting = sets(load, GEOMETRIC, servers, EXPONENTIAL)
    yield Entry("batch_arrivals/mmc_geometric4_c10_a7", setting, figures_of(*chain), 260_000 / load, 200.0, replications=26)


def fan_out() -> Iterator[Entry]:
    """An agent that asks n times at once and waits for the slowest, without a queue in between."""
    values = VALUES["fanout_max"]
    for calls in (2, 10, 100):
        figures = [
            Figure("mean of the slowest", metric("batch_latency_s.mean"), values["exp_mean"][str(calls)], MEANS),
            Figure("slowest, p99", metric("batch_latency_s.p99"), values["exp_p99"][str(calls)], TAILS),
        ]
        yield Entry(
            f"fanout_max/exponential n={calls}", asked_at_once(calls, EXPONENTIAL), figures, 1_000.0, quick=0.4 if calls < 100 else 0.0
        )
    figures = [
        Figure("mean of the slowest", metric("batch_latency_s.mean"), values["ln_mean1_cv1_mean"]["10"], MEANS),
        Figure("slowest, p50", metric("batch_latency_s.p50"), values["ln_mean1_cv1_p50"]["10"], TAILS),
        Figure("slowest, p99", metric("batch_latency_s.p99"), values["ln_mean1_cv1_p99"]["10"], TAILS),
    ]
    yield Entry("fanout_max/lognormal cv 1 n=10", asked_at_once(10, lognormal(1.0, 1.0)), figures, 2_000.0, quick=0.2)
    slow = "{kind: mixture, parts: [{weight: 99, of: {kind: constant, value: 1s}}, {weight: 1, of: {kind: constant, value: 10s}}]}"
    figures = [Figure("P(some call is slow)", slower_than(5.0), values["tail_at_scale_P_slow"]["n100_p0.01"], MEANS)]
    yield Entry("fanout_max/tail at scale n=100 p=0.01", asked_at_once(100, slow), figures, 1_000.0, quick=0.0)


def asked_at_once(calls: int, law: str) -> list[str]:
    batch = f"workload.arrivals.batch={{kind: constant, value: {calls}}}"
    return [f"workload.arrivals.rate={calls}/s", batch, NO_QUEUE, service(law)]


def slower_than(limit_s: float) -> Of:
    """Share of batches that took longer."""

    def of(window: Window) -> Estimate:
        batches, n = window.batches, window.run.replications
        return share_estimate(batches.number(n, batches.latency_s > limit_s), batches.number(n))

    return of


def entries() -> Iterator[Entry]:
    yield from one_server()
    yield from many_servers()
    yield from fan_out()
