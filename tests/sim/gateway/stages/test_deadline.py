"""The total timeout: what has no time left neither waits in a line nor calls a provider."""

from __future__ import annotations

import pytest

from sim.gateway.stages.deadline import check
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, serve_all, serve_at, unchecked

HANG = {"kind": "outage", "provider": "a", "mode": "hang", "at": "0s", "for": "9000s"}
CACHE = {"cache": [{"kind": "exact", "ttl": "10s"}]}
TENTHS = {"cpu_per_request": {"kind": "constant", "value": "400ms"}}
LOOKED_UP = {"sessions": {"lookup": {"kind": "constant", "value": "1s"}}}

# A call begun 1.1 s after these arrivals and cut 3.6 s after them ends at the deadline, a rounding before it, and a rounding after it.
ROUNDINGS = pytest.mark.parametrize("at_s", [0.0, 0.2, 0.3])
ROUNDED = LOOKED_UP | {"timeout": {"total": "3600ms"}}


def test_it_counts_from_the_arrival():
    hand = by_hand(timeout={"total": "5s"}, **TENTHS)
    c = hand.start(2.0, cpu_demand_s=1.0)
    hand.time_comes(c)
    assert (c.deadline_s, c.end_by_s) == (7.0, 7.0)


def test_an_attempt_may_have_a_time_of_its_own_and_a_retry_has_it_anew():
    hand = by_hand(timeout={"attempt": "2s", "total": "5s"}, retry={"attempts": 3, "backoff": {"kind": "none"}})
    c, ends = hand.start(1.0), []
    while c.performing:
        ends.append(c.end_by_s)
        hand.answer(c, c.end_by_s, status=-1)
        if c.state == "waiting":
            hand.time_comes(c)
    assert ends == [3.0, 5.0, 6.0]
    assert c.state == "timeout"


def test_without_one_there_is_no_such_stage_and_no_end():
    hand = by_hand(timeout={"first_token": "1s"})
    assert hand.g.deadline is None
    assert hand.start(2.0).deadline_s == float("inf")


@pytest.mark.parametrize(("name", "other"), [("total", {}), ("attempt", {}), ("first_token", {"total": "1s"})])
def test_no_timeout_may_be_zero(name, other):
    (finding,) = check(unchecked(gateway={"timeout": {name: "0s", **other}}))
    assert finding.path == ("gateway", "timeout", name)
    assert "above zero" in finding.message


def test_the_first_token_cannot_have_longer_than_the_whole():
    assert not list(check(unchecked(gateway={"timeout": {"first_token": "2s", "total": "2s"}})))
    (finding,) = check(unchecked(gateway={"timeout": {"first_token": "2s", "total": "1s"}}))
    assert finding.path == ("gateway", "timeout", "first_token")


def test_one_that_has_waited_for_the_cpu_until_then_calls_no_provider():
    gateway = TENTHS | {"timeout": {"total": "1500ms"}, "queue": {"concurrency": 9, "waiting": 0}}
    served = serve_at(scenario(gateway=gateway), [0.0, 0.0, 0.0, 0.0, 0.0])
    assert served.outcomes == ["ok", "timeout", "timeout", "timeout", "timeout"]
    assert served.latencies_s == [1.4, 1.5, 1.5, 1.6, 2.0]
    assert served.rows["attempts"].tolist() == [1, 1, 1, 0, 0]
    assert served.rows["failed_s"].round(9).tolist() == [0.0, 0.7, 0.3, 0.0, 0.0]
    assert served.g.admission.in_service == 0


@pytest.mark.parametrize("lookup_s", [1.5, 2.0])
def test_one_whose_session_was_looked_up_until_then_calls_no_provider(lookup_s):
    served = serve_at(scenario(gateway=CACHE | LOOKED_UP | {"timeout": {"total": "1500ms"}}), [0.0], lookup_s=lookup_s)
    assert served.outcomes == ["timeout"]
    assert served.latencies_s == [lookup_s]
    assert not len(served.attempts)
    assert not served.g.prompts


@pytest.mark.parametrize("lookup_s", [1.5, 2.0])
def test_no_answer_comes_from_the_cache_then_or_later(lookup_s):
    requests = [{"arrival_s": 0.0, "prompt": 7, "lookup_s": 0.0}, {"arrival_s": 1.5, "prompt": 7, "lookup_s": lookup_s}]
    assert serve_all(scenario(gateway=CACHE | LOOKED_UP | {"timeout": {"total": "1500ms"}}), requests).outcomes == ["ok", "timeout"]


@ROUNDINGS
def test_one_that_is_woken_by_its_leader_then_does_not_ask_itself(at_s):
    served = serve_at(scenario(gateway=CACHE | ROUNDED, faults=[HANG]), [at_s] * 4, prompts=[7] * 4, lookup_s=1.1)
    assert served.outcomes == ["timeout"] * 4
    assert served.latencies_s == [3.6] * 4
    assert (served.attempts["duration_s"] > 0).all()
    assert not served.g.prompts


@ROUNDINGS
def test_one_whose_turn_comes_then_gives_its_slot_to_the_next(at_s):
    gateway = ROUNDED | {"queue": {"concurrency": 1, "waiting": 9}}
    served = serve_at(scenario(gateway=gateway, faults=[HANG]), [at_s] * 4, lookup_s=1.1)
    assert served.outcomes == ["timeout"] * 4
    assert served.latencies_s == [3.6] * 4
    assert (served.attempts["duration_s"] > 0).all()
    assert served.g.admission.in_service == served.g.admission.waiting == 0


# The first looks its session up until the second, with more time left, has taken the only slot.
OVERTAKEN = ({"arrival_s": 0.0, "lookup_s": 0.5}, {"arrival_s": 0.4, "lookup_s": 0.0})


@pytest.mark.parametrize(
    ("queue_timeout", "patience_s", "outcome", "latency_s"),
    [
        (None, 9.0, "timeout", 1.2), ("800ms", 9.0, "timeout", 1.2), ("600ms", 9.0, "rejected", 1.1), ("600ms", 0.3, "abandoned", 0.8),
        (None, 0.3, "abandoned", 0.8),
    ],
)  # fmt: skip
def test_one_that_waits_in_line_until_then_has_timed_out(queue_timeout, patience_s, outcome, latency_s):
    gateway = LOOKED_UP | {"timeout": {"total": "1200ms"}, "queue": {"concurrency": 1, "waiting": 9, "timeout": queue_timeout}}
    served = serve_all(scenario(gateway=gateway), [each | {"patience_s": patience_s} for each in OVERTAKEN])
    assert served.outcomes == [outcome, "ok"]
    assert served.latencies_s == [latency_s, 1.0]
    assert served.g.admission.in_service == served.g.admission.waiting == 0


@pytest.mark.parametrize(("queue_timeout", "outcome"), [(None, "canned"), ("600ms", "rejected")])
def test_and_may_have_a_canned_answer(queue_timeout, outcome):
    queue = {"concurrency": 1, "waiting": 9, "timeout": queue_timeout}
    gateway = LOOKED_UP | {"timeout": {"total": "1200ms"}, "queue": queue, "fallback": ["canned"]}
    assert serve_all(scenario(gateway=gateway), list(OVERTAKEN)).outcomes == [outcome, "ok"]


def test_the_rest_of_an_answer_that_begins_a_rounding_after_it_is_not_waited_for():
    """Time does not run backwards to the deadline: see ``tests.sim.tiny.Watched``."""
    model = {"ttft": {"kind": "constant", "value": "2152ms"}, "per_token": {"kind": "constant", "value": "10ms"}}
    shared = {"models": {"one": model | {"price": {"input": 1, "output": 2}, "batching": {"slowdown": 0.0}}}}
    served = serve_at(scenario(gateway=LOOKED_UP | {"timeout": {"total": "2352ms"}}, a=shared), [1.0], lookup_s=0.2)
    assert served.outcomes == ["timeout"]
    assert served.simulation.now_s > 1.0 + 2.352
