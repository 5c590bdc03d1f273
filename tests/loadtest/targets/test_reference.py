"""What the reference gateway says it cannot do."""

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
        ([*SLOTS, SCALER, "gateway.cpu_per_request=5ms"], "not their CPUs"),
        (["gateway.cpu_per_request=5ms", "gateway.autoscale={kind: hpa, max: 4, start_up: 2s}"], "measure with kind: keda"),
    ],
)
def test_it_scales_no_cpus(changes, says):
    (line,) = TARGET.cannot(load("demo", changes))
    assert line.startswith("gateway.")
    assert says in line


@pytest.mark.parametrize("changes", [["gateway.workers=2"], SLOTS])
def test_its_processes_share_what_is_in_redis_alone(changes):
    lines = TARGET.cannot(load("demo", changes))
    assert lines
    assert all("each of the 2 worker processes has its own" in line for line in lines)
    assert any(line.startswith("gateway.queue") for line in lines)
