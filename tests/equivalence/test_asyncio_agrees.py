"""One chain, two drivers: SimPy in virtual time and asyncio on a virtual clock say the same of every request and every attempt."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.data.outcomes import NAMES
from sim.data.statuses import CANCELLED
from sim.engine.requests import RequestMaker
from sim.engine.row_log import in_order
from sim.engine.simpy_driver.simulation import Simulation
from sim.gateway import chain
from sim.gateway.language import load
from sim.gateway.stages.breaker import CLOSED, HALF_OPEN, OPEN
from sim.provider.build import build
from sim.workload.schedule import build_schedule
from tests.equivalence.late import LATE, assert_late
from tests.equivalence.plan_upstream import play
from tests.equivalence.virtual_loop import run

SCENARIO = Path(__file__).with_name("everything.yaml")
# Patient clients with every fallback; impatient ones without, who leave before the gateway gives up; clients that do not stream.
VARIANTS = {
    "patient": (),
    "impatient": ("workload.client.timeout=5s", "gateway.fallback=[next-provider]"),
    "whole answers": (
        "workload.client.stream=false", "gateway.retry.to=any", "gateway.timeout.attempt=6s", "gateway.cache.0.single_flight=false",
    ),
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
    "worked on afterwards": (
        "gateway.workers=2", "gateway.cpu_after={kind: lognormal, median: 20ms, p99: 80ms}", "workload.client.timeout=5s",
        "gateway.cpu_per_token={kind: exponential, mean: 0.1ms}", "gateway.stalls={every: 4s, for: 200ms, spacing: random}",
        "gateway.held_writes={time: 200ms, pieces: 12}",
    ),
    "in slices": (
        "gateway.cpu_slice=1ms", "gateway.cpu_after={kind: lognormal, median: 20ms, p99: 80ms}", "workload.client.timeout=5s",
        "gateway.cpu_background=15ms", "gateway.stalls={calls: 30, for: 200ms}", "gateway.cpu_speed=1.5", "gateway.cpu_crowded=0.7",
        "gateway.accepts=one",
    ),
}  # fmt: skip
UNSEEN = {
    "patient": {"stale", "error", "abandoned"}, "impatient": {"stale", "canned", "timeout"},
    "whole answers": {"timeout", "error", "abandoned"}, "hedged": {"stale", "rejected", "error"}, "sharing": {"timeout", "error"},
    "sharing, hedged": {"stale", "error", "abandoned"}, "batches": {"stale", "rejected", "error", "abandoned"},
    "whole answers, hedged": {"timeout", "error", "abandoned"}, "worked on afterwards": {"timeout", "error", "stale"},
    "in slices": {"timeout", "error", "stale"},
}  # fmt: skip
Played = tuple[Any, np.ndarray, np.ndarray]  # gateway, rows of requests, rows of attempts


def in_simpy(scenario: Any) -> Played:
    schedule = build_schedule(scenario)
    g = chain.build(scenario, scenario.seed, schedule.history_tokens)
    simulation = Simulation(g, build(scenario, scenario.seed, g.calls, g.ready, schedule.history_tokens), schedule.duration_s)
    simulation.play(RequestMaker(scenario, scenario.seed).in_turn(schedule))
    return g, in_order(simulation.requests.table()), simulation.attempts.table()


def in_asyncio(scenario: Any) -> Played:
    return run(lambda: play(scenario))


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Integers equal, times and costs to 1e-9 relative and a nanosecond."""
    assert len(ours) == len(theirs)
    for name in ours.dtype.names or ():
        if ours[name].dtype.kind == "f":
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, atol=1e-9, err_msg=name)
        else:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def sorted_attempts(rows: np.ndarray) -> np.ndarray:
    """Those of one instant may have ended in another order."""
    return rows[np.lexsort((rows["attempt"], rows["request"]))]


def fingerprint(rows: np.ndarray) -> str:
    lines = [f"{row['request']} {row['outcome']} {row['attempts']} {float(row['latency_s']).hex()}" for row in rows]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


SLOW = (
    "impatient", "whole answers", "sharing", "sharing, hedged", "batches", "worked on afterwards", "whole answers, hedged", "in slices",
)  # the others have something of each  # fmt: skip
CHOSEN = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in VARIANTS]


@pytest.fixture(scope="module", params=CHOSEN)
def both(request: pytest.FixtureRequest) -> tuple[Played, Played, str]:
    scenario = load(SCENARIO, VARIANTS[request.param]).scenario
    return in_simpy(scenario), in_asyncio(scenario), request.param


def test_each_variant_exercises_what_it_is_for(both: tuple[Played, Played, str]) -> None:
    (g, rows, attempts), _, variant = both
    assert {NAMES[outcome] for outcome in np.unique(rows["outcome"]).tolist()} == set(NAMES.values()) - UNSEEN[variant]
    if variant == "hedged":
        assert (attempts["status"] == CANCELLED).sum() > 100, "losers were cancelled"
    assert len(rows) >= 5_000
    assert (rows["queue_wait_s"] > 0).sum() > 100
    assert (rows["coalesced_s"] > 0).sum() > 10 or variant == "whole answers"
    assert (rows["backoff_s"] > 0).sum() > 10
    assert {state for _, _, _, state in g.events} == {OPEN, HALF_OPEN, CLOSED}
    assert len(np.unique(attempts["target"])) == 4, "every target was used"


def test_all_rows_are_identical(both: tuple[Played, Played, str]) -> None:
    (_, requests, attempts), (_, their_requests, their_attempts), _ = both
    assert_same(requests, their_requests)
    assert_same(sorted_attempts(attempts), sorted_attempts(their_attempts))


def test_all_events_are_identical(both: tuple[Played, Played, str]) -> None:
    (ours, _, _), (theirs, _, _), _ = both
    assert [event[1:] for event in ours.events] == [event[1:] for event in theirs.events]
    np.testing.assert_allclose([event[0] for event in ours.events], [event[0] for event in theirs.events], rtol=1e-9)


def test_all_places_are_given_back(both: tuple[Played, Played, str]) -> None:
    assert_empty(both[0][0])
    assert_empty(both[1][0])


def assert_empty(g: Any) -> None:
    assert g.admission.in_service == g.admission.waiting == 0
    assert [target.in_flight for target in g.targets.values()] == [0] * 4
    assert [pool.held for pool in (g.connection_pools or {}).values()] == [0] * len(g.connection_pools or ())
    assert [lane.busy for lane in (g.job_lanes or {}).values()] == [0] * len(g.job_lanes or ())
    assert len(g.free) == len(g.calls)
    assert g.ready.length == g.leavers.count == 0


def test_requests_whose_deadline_passes_before_anybody_is_asked_end_alike() -> None:
    scenario = load(SCENARIO, LATE).scenario
    (ours, requests, attempts), (theirs, their_requests, their_attempts) = in_simpy(scenario), in_asyncio(scenario)
    assert_late(requests)
    assert_same(requests, their_requests)
    assert_same(sorted_attempts(attempts), sorted_attempts(their_attempts))
    assert_empty(ours)
    assert_empty(theirs)


EJECTIONS = {
    "envoy": "{kind: envoy, consecutive_5xx: 2, interval: 2s, base_ejection_time: 3s, max_ejection_percent: 50%}",
    "haproxy": "{kind: haproxy, error_limit: 2, inter: 1s}",
    "nginx": "{kind: nginx, max_fails: 2, fail_timeout: 3s}",
    "litellm": "{kind: litellm, cooldown_time: 3s, allowed_fails: 2}",
    "ferrogw": "{kind: ferrogw, failure_threshold: 2, timeout: 3s}",
}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.slow) if kind != "envoy" else kind for kind in EJECTIONS])
def test_failing_targets_are_left_out_alike(kind: str) -> None:
    changes = [f"gateway.ejection={EJECTIONS[kind]}", "gateway.breaker=null", "gateway.retry.to=next"]
    scenario = load(SCENARIO, [*changes, "gateway.routing={kind: round-robin, models: [alpha/mini, beta/haiku]}"]).scenario
    (ours, requests, attempts), (theirs, their_requests, their_attempts) = in_simpy(scenario), in_asyncio(scenario)
    assert_same(requests, their_requests)
    assert_same(sorted_attempts(attempts), sorted_attempts(their_attempts))
    assert len(ours.events) == len(theirs.events) > 3, "targets were left out, again and again"


PROGRAM = """
from tests.equivalence import test_asyncio_agrees as t
scenario = t.load(t.SCENARIO).scenario
print(t.fingerprint(t.in_simpy(scenario)[1]), t.fingerprint(t.in_asyncio(scenario)[1]))
"""


@pytest.mark.slow
def test_fresh_processes_with_different_hash_seeds_leave_identical_fingerprints() -> None:
    said = []
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
        )  # fmt: skip
        said.append(done.stdout.split())
    assert said[0] == said[1]
    assert len(said[0]) == 2
