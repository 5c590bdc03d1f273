"""State in Redis, which fails in every way: the three drivers say the same of every request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.gateway.language import load
from tests.equivalence.test_asyncio_agrees import assert_same, in_asyncio, in_simpy, sorted_attempts

EVERYTHING = Path(__file__).with_name("everything.yaml")
IN_REDIS = (
    "workload.duration=2m", "gateway.cache.0.store=redis", "gateway.redis.latency={kind: lognormal, median: 3ms, p99: 90ms}",
    "faults=[{kind: redis-outage, at: 10s, for: 10s}, {kind: redis-restart, at: 30s, for: 10s}, {kind: redis-slow, at: 50s, for: 20s},"
    " {kind: redis-outage, mode: hang, at: 80s, for: 5s}, {kind: redis-full, at: 95s, for: 15s}]",
)  # fmt: skip


@pytest.mark.parametrize("word", ["open", "closed"])
def test_simpy_and_asyncio_agree(word: str) -> None:
    scenario = load(EVERYTHING, (*IN_REDIS, f"gateway.redis.on_failure={word}")).scenario
    (ours, requests, attempts), (theirs, their_requests, their_attempts) = in_simpy(scenario), in_asyncio(scenario)
    assert_same(requests, their_requests)
    assert_same(sorted_attempts(attempts), sorted_attempts(their_attempts))
    assert list(ours.events) == list(theirs.events)
    assert 0 < requests["redis_failed"].mean() < 0.5
    assert (requests["cache_layer"] > 0).any()


@pytest.mark.slow
def test_compiled_code_agrees() -> None:
    from tests.equivalence.test_compiled_agrees import agree

    part = agree(load(EVERYTHING, (*IN_REDIS, "gateway.redis.on_failure=closed")).scenario)
    assert {event["event"] for event in part.events} >= {"redis"}
    assert np.any(part.requests["redis_failed"])
