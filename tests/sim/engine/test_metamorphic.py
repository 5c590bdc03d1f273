"""What must be true of two runs side by side, whatever their numbers; and of every run of any scenario."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sim.data.fingerprint import fingerprint
from sim.engine.runner import predict
from sim.engine.simpy_driver.replicate import replicate
from sim.gateway.language import load
from sim.gateway.stages.hedge import Hedge
from sim.scenario.model import Fault
from tests.equivalence.scenarios import SCENARIOS
from tests.examples import examples

MM1 = Path(__file__).parents[3] / "scenarios" / "validation" / "mm1.yaml"
QUICKLY = {"deadline": None, "suppress_health_check": list(HealthCheck)}
SERVICES = (
    "{{kind: exponential, mean: {}s}}",
    "{{kind: constant, value: {}s}}",
    "{{kind: lognormal, median: {}s, sigma: 1.2}}",
    "{{kind: gamma, mean: {}s, cv: 0.5}}",
)
QUEUES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**62),
        "rate": st.sampled_from([0.5, 0.75, 1.5]),
        "cv": st.sampled_from([0.0, 0.5, 1.0, 2.5]),
        "service": st.sampled_from(SERVICES),
        "mean_s": st.sampled_from([0.25, 1.0, 1.5]),
        "servers": st.integers(1, 4),
    }
)


def run(seed, rate, cv, service, mean_s, servers, duration_s=256.0, more=()):
    """A G/G/c queue without a limit; the rows of its requests, in order of arrival."""
    sets = [
        f"seed={seed}", f"workload.arrivals={{kind: gamma, rate: {rate:.17g}/s, cv: {cv}}}", f"workload.duration={duration_s:.17g}s",
        "workload.warmup=0s", f"gateway.queue.concurrency={servers}",
        f"providers.server.models.job.latency={service.format(mean_s)}", *more,
    ]  # fmt: skip
    return predict(load(MM1, sets).scenario, replications=1, engine="simpy").requests


@settings(max_examples=examples(5), **QUICKLY)
@given(SCENARIOS)
def test_every_scenario_keeps_the_invariants(scenario):
    replicate((scenario, 1.0, scenario.seed, 0))  # raises InvariantViolated otherwise


@settings(max_examples=examples(5), **QUICKLY)
@given(SCENARIOS, st.sampled_from(["200ms", "2s"]), st.sampled_from([0.1, 1.0]), st.sampled_from(["same", "next"]))
def test_every_scenario_keeps_the_invariants_when_it_hedges(scenario, after, at_most, to):
    hedge = Hedge.model_validate({"after": after, "at_most": at_most, "to": to})
    hedging = scenario.model_copy(update={"gateway": scenario.gateway.model_copy(update={"hedge": hedge})})
    replicate((hedging, 1.0, scenario.seed, 0))


@settings(max_examples=examples(5), **QUICKLY)
@given(QUEUES, st.sampled_from([1.01, 1.5]))
def test_waits_rise_pathwise_with_service_times(queue, longer):
    before, after = run(**queue), run(**queue | {"mean_s": queue["mean_s"] * longer})
    assert (after["queue_wait_s"] >= before["queue_wait_s"] - 1e-9).all()


@settings(max_examples=examples(5), **QUICKLY)
@given(QUEUES, st.sampled_from([1.01, 1.5]))
def test_waits_rise_pathwise_with_load(queue, faster):
    """The same gaps, compressed: the n-th request waits at least as long."""
    before, after = run(**queue), run(**queue | {"rate": queue["rate"] * faster})
    both = min(len(before), len(after))
    assert (after["queue_wait_s"][:both] >= before["queue_wait_s"][:both] - 1e-9).all()


@settings(max_examples=examples(5), **QUICKLY)
@given(QUEUES)
def test_waits_fall_pathwise_with_servers(queue):
    before, after = run(**queue), run(**queue | {"servers": queue["servers"] + 1})
    assert (after["queue_wait_s"] <= before["queue_wait_s"] + 1e-9).all()


@settings(max_examples=examples(5), **QUICKLY)
@given(QUEUES, st.sampled_from([0.25, 0.5, 2.0, 4.0]))
@example({"seed": 1, "rate": 0.5, "cv": 1.0, "service": SERVICES[0], "mean_s": 1.5, "servers": 1}, 2.0)
def test_another_unit_of_time_changes_nothing_but_the_unit(queue, unit):
    """Powers of two are exact in floating point, so the results must be too. The queue's timeout and the clients' patience scale along."""

    def impatient(factor):
        return (f"gateway.queue.timeout={2 * factor}s", f"workload.client.patience={{kind: exponential, mean: {3 * factor}s}}")

    before = run(**queue, more=impatient(1.0))
    scaled = queue | {"rate": queue["rate"] / unit, "mean_s": queue["mean_s"] * unit}
    after = run(**scaled, duration_s=256.0 * unit, more=impatient(unit))
    np.testing.assert_array_equal(after["outcome"], before["outcome"])
    for column in ("arrival_s", "queue_wait_s", "latency_s"):
        np.testing.assert_array_equal(after[column], before[column] * unit)


@settings(max_examples=examples(6), **QUICKLY)
@given(SCENARIOS, st.sampled_from(["errors", "rate-limit"]))
def test_a_fault_that_never_strikes_leaves_the_fingerprint(scenario, kind):
    never = Fault.model_validate({"kind": kind, "provider": "alpha", "at": "1s", "for": "25s", "share": 0.0})
    before = predict(scenario, replications=1, engine="simpy")
    after = predict(scenario.model_copy(update={"faults": (*scenario.faults, never)}), replications=1, engine="simpy")
    assert fingerprint(before) == fingerprint(after)


@pytest.mark.parametrize("name", ["priorities", "patience"])
def test_features_at_their_neutral_value_change_nothing(name):
    neutral = {"priorities": "workload.requests.job.priority=7", "patience": "workload.client.patience={kind: constant, value: 1000d}"}[
        name
    ]
    short = ["workload.duration=2000s", "workload.warmup=0s"]
    before, after = (predict(load(MM1, [*short, *sets]).scenario, replications=1, engine="simpy") for sets in ([], [neutral]))
    assert fingerprint(before) == fingerprint(after)
