"""The compiled driver says of every request what the SimPy driver says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.data.outcomes import CACHE_HIT
from sim.engine.replication import Part
from sim.engine.simpy_driver.replicate import replicate
from sim.gateway.language import load
from sim.scenario.model import Scenario
from tests.equivalence.guide_variants import GUIDE
from tests.equivalence.late import LATE, assert_late
from tests.equivalence.sets import SETS
from tests.examples import examples

EVERYTHING = Path(__file__).with_name("everything.yaml")
LAUNCH = Path(__file__).parents[2] / "scenarios" / "launch.yaml"


def same(theirs: np.ndarray, ours: np.ndarray) -> None:
    """Integers equal, times to 1e-9 relative and a nanosecond."""
    assert len(ours) == len(theirs)
    for name in theirs.dtype.names:
        if theirs[name].dtype.kind == "f":
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, atol=1e-9, err_msg=name)
        else:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def agree(scenario: Scenario, scale: float = 1.0, replication: int = 0) -> Part:
    from sim.engine.compiled_driver.replicate import replicate as replicate_compiled

    job = (scenario, scale, scenario.seed, replication)
    theirs, ours = replicate(job), replicate_compiled(job)
    same(theirs.requests, ours.requests)
    same(theirs.attempts, ours.attempts)
    same(theirs.timeline, ours.timeline)
    assert ours.refusals == theirs.refusals
    assert [event | {"at_s": 0.0} for event in ours.events] == [event | {"at_s": 0.0} for event in theirs.events]
    assert [event["at_s"] for event in ours.events] == pytest.approx([event["at_s"] for event in theirs.events])
    return ours


@pytest.mark.slow
@pytest.mark.parametrize(("path", "scale", "replication"), [(EVERYTHING, 1, 0), (EVERYTHING, 4, 1), (LAUNCH, 10, 2)])
def test_scenarios_that_use_everything_agree_request_by_request(path, scale, replication):
    scenario = load(path).scenario
    part = agree(scenario, scale, replication)
    assert len(np.unique(part.requests["outcome"])) >= 4
    assert part.events


@pytest.mark.slow
def test_calls_that_come_together_and_entries_that_live_on_agree_request_by_request():
    scenario = load(EVERYTHING, ["workload.arrivals.batch={kind: geometric, mean: 4}", "gateway.cache.0.sliding=true"]).scenario
    part = agree(scenario)
    together = np.unique(part.requests["arrival_s"], return_counts=True)[1]
    assert together.max() > 10
    assert (part.requests["outcome"] == CACHE_HIT).sum() > 100


@pytest.mark.slow
def test_requests_whose_deadline_passes_before_anybody_is_asked_agree_request_by_request():
    assert_late(agree(load(EVERYTHING, LATE).scenario).requests)


CHOSEN = [pytest.param(name, marks=pytest.mark.slow) for name in SETS]


@pytest.mark.parametrize("name", CHOSEN)
def test_random_scenarios_agree_request_by_request(name):
    """Some 500 in all with TENFOLD_EXAMPLES=20; times on a grid among them (``ties``)."""

    @settings(max_examples=examples(3), deadline=None, suppress_health_check=list(HealthCheck))
    @given(SETS[name])
    def agrees(scenario):
        agree(scenario)

    agrees()


def test_a_set_of_stages_is_one_program():
    from numba import typeof

    from sim.engine.compiled_driver.clients import Nobody
    from sim.engine.compiled_driver.replicate import run_of

    programs = {name: set() for name in SETS}

    @settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(list(SETS)).flatmap(lambda name: st.tuples(st.just(name), SETS[name])))
    def collect(drawn):
        name, scenario = drawn
        run = run_of(scenario, 1, Nobody(scenario, 1))
        programs[name].add(tuple(typeof(part) for part in (run.g, run.p, run.engine)))

    collect()
    assert all(len(types) <= 1 for types in programs.values())
    assert programs["full"] == programs["ties"] or not programs["full"] or not programs["ties"]


AGENTS = ("workload.conversations.after=answer", "workload.duration=5m", "faults=[]")
CLOSED = (
    "workload.arrivals={kind: closed, clients: 60, think: {kind: exponential, mean: 3s}}", "workload.conversations=null",
    "workload.users=null",
)  # fmt: skip
GOES_ON = ("gateway.cancel_on_disconnect=false", "workload.client.timeout=4s")
CASES = {
    **GUIDE,
    "impatient": (
        "workload.client.timeout=5s", "gateway.fallback=[next-provider]",
        "gateway.ejection={kind: envoy, consecutive_5xx: 2, interval: 2s, base_ejection_time: 3s, max_ejection_percent: 50%}",
    ),
    "whole answers": (
        "workload.client.stream=false", "gateway.retry.to=any", "gateway.timeout.attempt=6s", "gateway.cache.0.single_flight=false",
    ),
    "hedged": (
        "gateway.hedge={after: 700ms, at_most: 0.3, to: next}", "workload.client.patience={kind: exponential, mean: 1s}",
        "workload.requests.faq.priority=5", "workload.requests.reasoning.priority=2",
    ),
    "whole answers, hedged": ("workload.client.stream=false", "gateway.hedge={after: 2s, at_most: 0.3}", "gateway.timeout.first_token=6s"),
    "worked on afterwards, hedged": (
        "gateway.workers=2", "gateway.cpu_after={kind: lognormal, median: 20ms, p99: 80ms}", "gateway.hedge={after: 700ms, at_most: 0.3}",
        "gateway.cpu_per_token={kind: exponential, mean: 0.1ms}", "gateway.stalls={every: 4s, for: 200ms, spacing: random}",
        "gateway.held_writes={time: 200ms, pieces: 12}", "workload.client.timeout=5s",
    ),
    "in slices": (
        "gateway.cpu_slice=1ms", "gateway.cpu_after={kind: lognormal, median: 20ms, p99: 80ms}", "workload.client.timeout=5s",
        "gateway.cpu_background=15ms", "gateway.stalls={calls: 30, for: 200ms, spacing: random}", "gateway.cpu_speed=1.5",
        "gateway.cpu_crowded=0.7", "gateway.accepts=one",
    ),
    "sharing": (
        "providers.alpha.models.mini.batching={slots: 24, slowdown: 0.03}", "providers.beta.models.haiku.batching={parallel: 8}",
        "workload.client.timeout=7s",
    ),
    "sharing, hedged": ("providers.alpha.models.mini.batching={slowdown: 0.03}", "gateway.hedge={after: 700ms, at_most: 0.3, to: next}"),
    "agents": AGENTS,
    "agents whose calls go on without them": AGENTS + GOES_ON,
    "closed": CLOSED,
    "closed clients whose calls go on without them": CLOSED + GOES_ON,
    "providers": (
        "providers.alpha.models.mini.ttft={kind: gamma, mean: 400ms, cv: 0.6}", "providers.alpha.models.mini.correlation=0.5",
        "providers.beta.models.haiku.ttft={kind: gamma, mean: 700ms, cv: 2.5}", "providers.beta.models.sonnet.doubles_at=20",
        "providers.alpha.models.maxi.cold_start={idle: 2s, delay: {kind: exponential, mean: 1s}}",
        "providers.beta.prompt_cache={ttl: 1m, minimum: 300, step: 64}", "providers.beta.models.haiku.ttft_per_1k=200ms",
        "providers.beta.models.haiku.ttft_per_1k_cached=20ms", "providers.alpha.limits={requests: 400/min, algorithm: sliding-log}",
        "faults=[{kind: outage, provider: alpha, at: 0s, for: 10m, every: {kind: exponential, mean: 60s}, "
        "lasting: {kind: exponential, mean: 10s}}, {kind: reset, provider: beta, at: 2m, for: 60s, share: 0.5}]",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_every_feature_agrees_request_by_request(changes):
    agree(load(EVERYTHING, changes).scenario)


@pytest.mark.slow
def test_clients_that_send_again_agree_request_by_request():
    retries = "workload.client.retries={attempts: 4, budget: 0.5, backoff: {kind: decorrelated-jitter}}"
    scenario = load(EVERYTHING, [retries]).scenario
    part = agree(scenario)
    calls = len(np.unique(np.stack([part.requests["conversation"], part.requests["turn"]]), axis=1).T)
    assert calls < len(part.requests)
