"""What a chaos run says of its damage, what broke first and when; and what autoscalers of the library do."""

from __future__ import annotations

import pytest

from sim.analysis.chaos import broke_first
from sim.engine.runner import predict
from sim.gateway.language import load

SHORT = ("workload.duration=60s", "workload.warmup=5s", "assertions=[]", "budgets=[]", "expected=null")


def played(name: str, *changes: str):
    return predict(load(name, [*SHORT, *changes]).scenario, 1.0, 1)


def test_a_request_that_an_outage_holds_up_breaks_at_its_clients_patience():
    fault = "faults=[{kind: outage, provider: server, at: 20s, for: 5s, mode: hang}]"
    broke = broke_first(played("chaos/retry_storm", "workload.arrivals.rate=25/s", fault))
    assert broke is not None
    assert broke["outcome"] in ("timeout", "abandoned")
    assert broke["after_s"] == pytest.approx(1.0, abs=0.2)


def test_refused_calls_break_at_once():
    broke = broke_first(played("chaos/layered_retries", "faults=[{kind: outage, provider: server, at: 20s, for: 5s}]"))
    assert broke is not None
    assert broke["outcome"] == "error"
    assert 0.0 <= broke["after_s"] < 1.0


def test_nothing_breaks_without_failures():
    assert broke_first(played("chaos/layered_retries", "faults=[]")) is None


def test_workers_for_a_spike_come_as_fast_as_the_autoscaler_may_add_them_and_forty_seconds_late():
    """Kubernetes' default policies: twice as many, or four more, every 15 s."""
    run = predict(load("chaos/cold_start_spike").scenario, 1.0, 1)
    moves = {state: [(one["at_s"], one["workers"]) for one in run.events if one.get("state") == state] for state in ("up", "ready")}
    assert moves["up"][:3] == [(255.0, 6), (270.0, 12), (285.0, 24)]
    assert moves["ready"][:3] == [(295.0, 6), (310.0, 12), (325.0, 24)]


def test_an_outage_takes_the_workers_away_that_the_load_needs_afterwards():
    run = predict(load("chaos/autoscaler_starvation").scenario, 1.0, 1)
    asked = [(one["at_s"], one["workers"]) for one in run.events if one.get("state") in ("up", "down")]
    ends_s = 720.0
    assert max(workers for at_s, workers in asked if at_s < 240.0) >= 7
    assert [workers for at_s, workers in asked if at_s < ends_s][-1] <= 2
    assert next(workers for at_s, workers in asked if at_s > ends_s) > 2
