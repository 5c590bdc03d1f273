"""A second simulator that nobody here wrote: where Ciw can say the same queue, both give the same figures within their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.analysis.estimators import mean_estimate
from sim.data.outcomes import ABANDONED, OK, REJECTED
from sim.engine.runner import predict
from sim.gateway.language import load
from tests.theory.entry import BASE, lognormal
from tests.theory.verdict import t

ciw = pytest.importorskip("ciw", reason="the second simulator, Ciw, is not installed: pip install 'tenfold[peers]'")

REPLICATIONS, SECONDS, WARMUP = 12, 2_000.0, 100.0
FAMILY = 8  # figures compared below


def by_ciw(network, figures):
    """Each figure's value in every replication: functions of (records of one replication)."""
    values = []
    for seed in range(REPLICATIONS):
        ciw.seed(seed)
        simulation = ciw.Simulation(network)
        simulation.simulate_until_max_time(SECONDS + 50)
        records = [each for each in simulation.get_all_records() if WARMUP <= each.arrival_date < SECONDS]
        values.append([figure(records) for figure in figures])
    return np.array(values).T


def by_tenfold(sets, figures):
    times = [f"workload.duration={SECONDS}s", f"workload.warmup={WARMUP}s"]
    run = predict(load(BASE, [*times, *sets]).scenario, replications=REPLICATIONS)
    parts = [run.counted[run.counted["replication"] == replication] for replication in range(REPLICATIONS)]
    return np.array([[figure(rows) for figure in figures] for rows in parts]).T


def assert_alike(ours, theirs):
    """The difference of two means, at a confidence that all figures of this file share (Welch, with the smaller freedom)."""
    for mine, other in zip(ours, theirs, strict=True):
        spread = math.hypot(np.std(mine, ddof=1), np.std(other, ddof=1)) / math.sqrt(REPLICATIONS)
        difference = mean_estimate(mine).value - mean_estimate(other).value
        assert abs(difference) <= t(REPLICATIONS - 1, FAMILY) * spread, (mine.mean(), other.mean())


def ciw_lognormal(mean, cv2):
    sigma = math.sqrt(math.log(1 + cv2))
    return ciw.dists.Lognormal(math.log(mean) - sigma**2 / 2, sigma)


@pytest.mark.slow
def test_lognormal_service_at_three_servers_with_room_for_five_more():
    """M/G/3/8: no closed form."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(2.7)], service_distributions=[ciw_lognormal(1.0, 4.0)],
        number_of_servers=[3], queue_capacities=[5],
    )  # fmt: skip
    theirs = by_ciw(
        network,
        [
            lambda records: np.mean([each.record_type == "rejection" for each in records]),
            lambda records: np.mean([each.waiting_time for each in records if each.record_type == "service"]),
            lambda records: np.quantile([each.exit_date - each.arrival_date for each in records if each.record_type == "service"], 0.99),
        ],
    )
    service = f"providers.server.models.job.latency={lognormal(1.0, 4.0)}"
    ours = by_tenfold(
        ["workload.arrivals.rate=2.7/s", "gateway.queue={concurrency: 3, waiting: 5}", service],
        [
            lambda rows: (rows["outcome"] == REJECTED).mean(),
            lambda rows: rows["queue_wait_s"][rows["outcome"] == OK].mean(),
            lambda rows: np.quantile(rows["latency_s"][rows["outcome"] == OK], 0.99),
        ],
    )
    assert_alike(ours, theirs)


@pytest.mark.slow
def test_two_priorities_at_two_servers():
    """Classes with different service laws behind two servers: no closed form."""
    network = ciw.create_network(
        arrival_distributions={"high": [ciw.dists.Exponential(0.6)], "low": [ciw.dists.Exponential(0.4)]},
        service_distributions={"high": [ciw.dists.Exponential(1.0)], "low": [ciw.dists.Exponential(0.5)]},
        number_of_servers=[2], priority_classes={"high": 0, "low": 1},
    )  # fmt: skip
    theirs = by_ciw(
        network,
        [
            lambda records: np.mean([each.waiting_time for each in records if each.customer_class == "high"]),
            lambda records: np.mean([each.waiting_time for each in records if each.customer_class == "low"]),
        ],
    )
    tokens = "tokens: {input: {kind: constant, value: 100}, output: {kind: constant, value: 1}}"
    model = "{{latency: {{kind: exponential, mean: {}s}}, price: {{input: 0, output: 0}}}}"
    ours = by_tenfold(
        [
            "workload.arrivals.rate=1/s", "gateway.queue.concurrency=2", "gateway.routing={kind: capability, h: [server/h], l: [server/l]}",
            f"workload.requests=[{{name: hi, share: 0.6, needs: h, priority: 1, {tokens}}}, {{name: lo, share: 0.4, needs: l, {tokens}}}]",
            f"providers.server.models={{h: {model.format(1)}, l: {model.format(2)}}}",
        ],
        [lambda rows: rows["queue_wait_s"][rows["kind"] == 0].mean(), lambda rows: rows["queue_wait_s"][rows["kind"] == 1].mean()],
    )  # fmt: skip
    assert_alike(ours, theirs)


@pytest.mark.slow
def test_lognormal_patience_at_two_servers():
    """M/M/2+G: patience that is not exponential."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(2.2)], service_distributions=[ciw.dists.Exponential(1.0)], number_of_servers=[2],
        reneging_time_distributions=[ciw_lognormal(2.0, 1.0)],
    )  # fmt: skip
    theirs = by_ciw(
        network,
        [
            lambda records: np.mean([each.record_type == "renege" for each in records]),
            lambda records: np.mean([each.waiting_time for each in records]),
        ],
    )
    patience = f"workload.client.patience={lognormal(2.0, 1.0)}"
    ours = by_tenfold(
        ["workload.arrivals.rate=2.2/s", "gateway.queue.concurrency=2", patience],
        [lambda rows: (rows["outcome"] == ABANDONED).mean(), lambda rows: rows["queue_wait_s"].mean()],
    )
    assert_alike(ours, theirs)
