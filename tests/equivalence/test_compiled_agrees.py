"""The compiled world says of every request what the SimPy world says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from sim.compiled.refusals import why_not
from sim.compiled.used import is_bare
from sim.data.schema import Outcome
from sim.engine.replication import Part
from sim.engine.simpy_driver.replicate import replicate
from sim.gateway.language import load
from sim.scenario.model import Scenario
from sim.workload.schedule import build_schedule
from tests.equivalence.late import LATE, assert_late
from tests.equivalence.scenarios import SCENARIOS
from tests.examples import examples

EVERYTHING = Path(__file__).with_name("everything.yaml")
MM50 = Path(__file__).parents[1] / "benchmarks" / "mm50.yaml"
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
    from sim.compiled.replicate import replicate as replicate_compiled

    job = (scenario, scale, scenario.seed, replication)
    theirs, ours = replicate(job), replicate_compiled(job)
    same(theirs.requests, ours.requests)
    same(theirs.attempts, ours.attempts)
    same(theirs.timeline, ours.timeline)
    assert ours.limited == theirs.limited
    assert [(event["target"], event["state"]) for event in ours.events] == [(event["target"], event["state"]) for event in theirs.events]
    assert [event["at_s"] for event in ours.events] == pytest.approx([event["at_s"] for event in theirs.events])
    return ours


@pytest.mark.parametrize(("path", "scale", "replication"), [(EVERYTHING, 1, 0), (EVERYTHING, 4, 1), (LAUNCH, 10, 2)])
def test_scenarios_that_use_everything_agree_request_by_request(path, scale, replication):
    scenario = load(path).scenario
    assert why_not(scenario) == []
    part = agree(scenario, scale, replication)
    assert len(np.unique(part.requests["outcome"])) >= 4
    assert part.events


def test_calls_that_come_together_and_entries_that_live_on_agree_request_by_request():
    scenario = load(EVERYTHING, ["workload.arrivals.batch={kind: geometric, mean: 4}", "gateway.cache.0.sliding=true"]).scenario
    assert why_not(scenario) == []
    part = agree(scenario)
    together = np.unique(part.requests["arrival_s"], return_counts=True)[1]
    assert together.max() > 10
    assert (part.requests["outcome"] == Outcome.CACHE_HIT).sum() > 100


def test_requests_whose_deadline_passes_before_anybody_is_asked_agree_request_by_request():
    assert_late(agree(load(EVERYTHING, LATE).scenario).requests)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(SCENARIOS)
def test_random_scenarios_agree_request_by_request(scenario):
    assert why_not(scenario) == []
    agree(scenario)


def bare(routing: str = "{kind: round-robin, models: [server/m]}") -> Scenario:
    """None of the stages that can be left out; a line now and then."""
    other = "{models: {m: {latency: {kind: lognormal, median: 1s, sigma: 0.5}, price: {input: 0, output: 0}}}}"
    queue = "{concurrency: 42, waiting: 6, timeout: 200ms}"
    changes = ["workload.duration=300s", f"gateway.queue={queue}", f"providers.other={other}", f"gateway.routing={routing}"]
    return load(MM50, changes).scenario


ROUTINGS = {
    "round-robin": "{kind: round-robin, models: [server/m, other/m]}",
    "weighted": "{kind: weighted, weights: {server/m: 2, other/m: 1}}",
    "least-busy": "{kind: least-busy, models: [server/m, other/m]}",
}


@pytest.mark.parametrize("routing", ROUTINGS.values(), ids=ROUTINGS)
def test_a_scenario_without_any_of_the_stages_agrees_too(routing):
    scenario = bare(routing)
    assert is_bare(scenario)
    part = agree(scenario)
    assert set(np.unique(part.requests["outcome"])) == {Outcome.OK, Outcome.REJECTED}


def test_stages_that_are_left_out_would_have_made_no_difference():
    from sim.compiled.replicate import played

    scenario = bare()
    without, with_all = (played(scenario, build_schedule(scenario), 5, 0, left_out) for left_out in (True, False))
    for name in ("requests", "attempts", "samples"):
        assert getattr(without, name).tobytes() == getattr(with_all, name).tobytes()
