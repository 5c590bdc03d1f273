"""What the reference gateway, which is one process, says it cannot do."""

from __future__ import annotations

import pytest

from loadtest.targets.reference import TARGET
from sim.gateway.language import load

SCALER = "gateway.autoscale={kind: keda, max: 4, start_up: 2s, calls_per_worker: 4}"
SLOTS = ("gateway.workers=2", "gateway.queue={concurrency: 4, per: worker, waiting: 20, timeout: 5s}", "gateway.cpu_per_request=null")


def test_it_starts_and_stops_the_slots_of_its_workers():
    assert TARGET.cannot(load("demo", [*SLOTS, SCALER])) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["gateway.workers=2"], "workers is 2"),
        (SLOTS, "workers is 2"),
        ([*SLOTS, SCALER, "gateway.cpu_per_request=5ms"], "not their CPUs"),
        (["gateway.cpu_per_request=5ms", "gateway.autoscale={kind: hpa, max: 4, start_up: 2s}"], "measure with kind: keda"),
    ],
)
def test_it_has_one_cpu(changes, says):
    (line,) = TARGET.cannot(load("demo", changes))
    assert line.startswith("gateway.")
    assert says in line
