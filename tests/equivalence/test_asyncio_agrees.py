"""One flow, two worlds: SimPy in virtual time and asyncio on a virtual clock say the same of every request."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sim.data.schema import CANCELLED, OUTCOMES
from sim.engine.row_log import request_rows
from sim.gateway.assembled import Gateway
from sim.provider.behaviour import ProviderState
from sim.requests import requests_of
from sim.scenario.load import load
from sim.workload.schedule import build_schedule
from sim.world import SimPyWorld
from tests.equivalence.late import LATE, assert_late
from tests.equivalence.plan_upstream import ClockedWorld, Nowhere, PlanUpstream, play
from tests.equivalence.virtual_loop import run

SCENARIO = Path(__file__).with_name("everything.yaml")
# Patient clients with every fallback; impatient ones without, who leave before the gateway gives up; clients that do not stream.
VARIANTS = {
    "patient": (),
    "impatient": ("workload.client.timeout=5s", "gateway.fallback=[next-provider]"),
    "whole answers": ("workload.client.stream=false", "gateway.retry.to=next", "gateway.cache.0.single_flight=false"),
    "hedged": (
        "gateway.hedge={after: 700ms, at_most: 0.3, to: next}", "workload.client.patience={kind: exponential, mean: 1s}",
        "workload.requests.faq.priority=5", "workload.requests.reasoning.priority=2",
    ),
    "sharing": (
        "providers.alpha.models.mini.batching={slots: 24, slowdown: 0.03}", "providers.beta.models.haiku.batching={parallel: 8}",
        "workload.client.timeout=7s", "gateway.cancel_on_disconnect=true",
    ),
    "sharing, hedged": ("providers.alpha.models.mini.batching={slowdown: 0.03}", "gateway.hedge={after: 700ms, at_most: 0.3, to: next}"),
    "batches": ("workload.arrivals.batch={kind: geometric, mean: 4}", "workload.arrivals.cv=1", "gateway.cache.0.sliding=true"),
    "whole answers, hedged": ("workload.client.stream=false", "gateway.hedge={after: 2s, at_most: 0.3}", "gateway.timeout.first_token=6s"),
}  # fmt: skip


def in_simpy(scenario):
    gateway = Gateway(scenario, scenario.seed)
    providers = {name: ProviderState(scenario, name, scenario.seed) for name in scenario.providers}
    world = SimPyWorld(gateway, providers, 1, scenario.workload.client)
    arrivals = world.play(requests_of(build_schedule(scenario), scenario, scenario.seed))
    world.run_dry(arrivals)
    return request_rows(world.requests, scenario, 0)[0], world.attempts.table(), gateway


def in_asyncio(scenario):
    async def main():
        gateway = Gateway(scenario, scenario.seed)
        upstreams = {name: PlanUpstream(ProviderState(scenario, name, scenario.seed)) for name in scenario.providers}
        world = ClockedWorld(gateway, upstreams, Nowhere(scenario.workload.client.stream))
        client = scenario.workload.client
        served = await play(world, requests_of(build_schedule(scenario), scenario, scenario.seed), client.timeout)
        return request_rows(served, scenario, 0)[0], world.attempts, gateway

    return run(main)


def fingerprint(rows: np.ndarray) -> str:
    lines = [f"{row['request']} {row['outcome']} {row['attempts']} {float(row['latency_s']).hex()}" for row in rows]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


SLOW = ("whole answers", "sharing")  # with every change they are tried hedged, too
CHOSEN = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in VARIANTS]


@pytest.fixture(scope="module", params=CHOSEN)
def both(request):
    scenario = load(SCENARIO, VARIANTS[request.param]).scenario
    return in_simpy(scenario), in_asyncio(scenario), request.param


def test_each_variant_exercises_what_it_is_for(both):
    (rows, attempts, gateway), _, variant = both
    seen = {OUTCOMES[outcome] for outcome in np.unique(rows["outcome"])}
    missing = {
        "patient": {"error", "abandoned"}, "impatient": {"fallback", "timeout"}, "whole answers": {"error", "timeout", "abandoned"},
        "hedged": {"error", "rejected"}, "whole answers, hedged": {"error", "timeout", "abandoned"},
        "sharing": {"error", "timeout"}, "sharing, hedged": {"error", "abandoned"}, "batches": {"error", "abandoned", "rejected"},
    }  # fmt: skip
    assert seen == set(OUTCOMES) - missing[variant]
    if variant == "hedged":
        assert (attempts["status"] == CANCELLED).sum() > 100, "races were run"
    assert len(rows) >= 5_000
    assert (rows["queue_wait_s"] > 0).sum() > 100
    assert (rows["coalesced_s"] > 0).sum() > 10 or variant == "whole answers"
    assert (rows["backoff_s"] > 0).sum() > 10
    assert {state for _, _, state in gateway.breaker_moves} == {"open", "half-open", "closed"}
    assert len(np.unique(attempts["target"])) == 4, "every target was used"


def test_outcomes_attempts_and_latencies_are_identical(both):
    (ours, attempts, gateway), (theirs, their_attempts, their_gateway), _ = both
    assert (ours["outcome"] == theirs["outcome"]).all()
    assert (ours["attempts"] == theirs["attempts"]).all()
    assert (ours["target"] == theirs["target"]).all()
    for column in ("latency_s", "ttft_s", "queue_wait_s", "coalesced_s", "backoff_s", "failed_s", "cpu_s", "first_token_s", "generation_s"):
        np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-9, atol=1e-9, err_msg=column)
    np.testing.assert_allclose(ours["cost_usd"], theirs["cost_usd"], rtol=1e-9)
    assert len(attempts) == len(their_attempts)
    assert [move[1:] for move in gateway.breaker_moves] == [move[1:] for move in their_gateway.breaker_moves]
    np.testing.assert_allclose([move[0] for move in gateway.breaker_moves], [move[0] for move in their_gateway.breaker_moves], rtol=1e-9)


def test_requests_whose_deadline_passes_before_anybody_is_asked_end_alike():
    scenario = load(SCENARIO, LATE).scenario
    (ours, attempts, gateway), (theirs, their_attempts, their_gateway) = in_simpy(scenario), in_asyncio(scenario)
    assert_late(ours)
    assert (ours["outcome"] == theirs["outcome"]).all()
    np.testing.assert_allclose(ours["latency_s"], theirs["latency_s"], rtol=1e-9, atol=1e-9)
    assert len(attempts) == len(their_attempts)
    check_empty(gateway)
    check_empty(their_gateway)


PROGRAM = """
from tests.equivalence import test_worlds_agree as t
scenario = t.load(t.SCENARIO).scenario
print(t.fingerprint(t.in_simpy(scenario)[0]), t.fingerprint(t.in_asyncio(scenario)[0]))
"""


def test_fresh_processes_with_different_hash_seeds_leave_identical_fingerprints():
    said = []
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
            env={"PYTHONHASHSEED": hash_seed, "PATH": ""},
        )  # fmt: skip
        said.append(done.stdout.split())
    assert said[0] == said[1]
    assert len(said[0]) == 2


def test_all_places_are_given_back(both):
    for _, _, gateway in both[:2]:
        check_empty(gateway)


def check_empty(gateway):
    assert gateway.admission.in_service == gateway.admission.waiting == 0
    assert all(target.in_flight == 0 for target in gateway.targets)
