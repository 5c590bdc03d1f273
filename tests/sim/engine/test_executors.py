"""A prediction does not depend on who computes it."""

from __future__ import annotations

import numpy as np
import pytest

from sim.data.run import Run
from sim.data.table import Rows
from sim.engine.executors import open_executor
from sim.engine.runner import predict
from sim.gateway.language import load


def run(**where) -> Run:
    scenario = load("launch", ["workload.duration=90s", "workload.warmup=10s", "faults=[]"]).scenario
    with open_executor(**where) as executor:
        return predict(scenario, replications=3, executor=executor)


@pytest.fixture(scope="module")
def here() -> Run:
    return run(workers=1)


def tables(run: Run, other: Run) -> list[tuple[Rows, Rows]]:
    return [(run.requests, other.requests), (run.attempts, other.attempts)]


def same(run: Run, other: Run) -> bool:
    return all(np.asarray(mine).tobytes() == np.asarray(theirs).tobytes() for mine, theirs in tables(run, other))


def test_replications_differ_from_each_other(here):
    first, second = (here.requests[here.requests["replication"] == number]["latency_s"] for number in (0, 1))
    assert len(first) != len(second) or not np.array_equal(first, second)


def test_a_pool_of_two_processes_computes_the_same(here):
    assert same(run(workers=2), here)


@pytest.mark.slow
def test_a_dask_cluster_computes_the_same(here):
    distributed = pytest.importorskip("distributed", reason="needs the extra tenfold[cluster]")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        assert same(run(cluster=cluster.scheduler_address), here)
