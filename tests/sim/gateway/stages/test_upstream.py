"""Upstream: one attempt, how it is judged, and what it costs."""

from __future__ import annotations

from math import exp

import pytest

from sim.gateway.stages.upstream import Target, observe
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, serve_at

HANG = {"kind": "outage", "provider": "a", "at": "0s", "for": "1000s", "mode": "hang"}
STREAM = {"ttft": {"kind": "constant", "value": "1s"}, "per_token": {"kind": "constant", "value": "1s"}, "price": {"input": 1, "output": 2}}


def test_a_request_takes_as_long_as_its_provider():
    served = serve_at(scenario(), [0.0, 0.25])
    assert served.outcomes == ["ok", "ok"]
    assert served.latencies_s == [1.0, 1.0]
    assert served.rows["cost_usd"].tolist() == pytest.approx([20e-6, 20e-6])  # 10 tokens at 1 and 5 at 2 USD per million


@pytest.mark.parametrize(("status", "outcome"), [(200, "ok"), (503, "error"), (400, "error"), (0, "error"), (-1, "timeout")])
def test_an_attempt_ends_as_its_status_says(status, outcome):
    hand = by_hand()
    c = hand.answer(hand.start(0.0), 2.0, status=status)
    assert c.state == outcome
    assert c.failed_s == (0.0 if outcome == "ok" else 2.0)
    assert c.output_tokens == (5 if outcome == "ok" else 0)


def test_the_parts_of_an_answers_time_are_told():
    hand = by_hand()
    c = hand.answer(hand.start(3.0), 8.0, first_s=2.0)
    assert (c.first_token_s, c.generation_s, c.ttft_s, c.latency_s) == (2.0, 3.0, 2.0, 5.0)


def test_a_client_that_does_not_stream_sees_its_answer_at_the_end():
    hand = by_hand()
    c = hand.answer(hand.start(3.0, streams=False), 8.0, first_s=2.0)
    assert (c.first_token_s, c.ttft_s, c.committed) == (2.0, 5.0, False)


def test_half_an_answer_is_seen_by_a_client_that_streams_and_by_no_other():
    hand = by_hand()
    seen, unseen = (hand.answer(hand.start(0.0, streams=streams), 8.0, status=0, first_s=2.0) for streams in (True, False))
    assert (seen.committed, seen.ttft_s) == (True, 2.0)
    assert not unseen.committed
    assert unseen.ttft_s != unseen.ttft_s


def test_an_attempt_is_cut_by_the_first_of_its_limits():
    hand = by_hand(timeout={"first_token": "2s", "total": "5s"})
    c = hand.start(1.0)
    assert (c.first_by_s, c.end_by_s, c.until_s) == (3.0, 6.0, 3.0)


def test_no_first_token_in_time_cuts_the_attempt():
    served = serve_at(scenario(gateway={"timeout": {"first_token": "2s"}}, faults=[HANG]), [0.0])
    assert served.outcomes == ["timeout"]
    assert served.latencies_s == [2.0]


def test_the_deadline_cuts_a_stream_and_bills_what_was_produced():
    slow = {"models": {"one": STREAM}}
    served = serve_at(scenario(gateway={"timeout": {"total": "3500ms"}, "fallback": ["canned"]}, a=slow), [0.0])
    assert served.outcomes == ["timeout"], "a client that has seen half an answer gets no canned one"
    assert served.latencies_s == [3.5]
    assert served.attempts[0]["output_tokens"] == 3  # of 5 tokens
    assert served.rows["cost_usd"].tolist() == pytest.approx([16e-6])


def test_a_call_is_in_flight_at_its_target_until_its_attempt_ends():
    hand = by_hand()
    target = hand.g.targets[0]
    first, second = hand.start(0.0), hand.start(0.0)
    assert target.in_flight == 2
    hand.answer(first, 1.0, status=500)
    assert target.in_flight == 1
    hand.depart(second, 1.0)
    assert (target.in_flight, second.target) == (0, 0)


def test_latency_is_smoothed_over_answers_and_its_age_is_known():
    target = Target()
    observe(target, 1.0, 5.0, 30.0)
    assert (target.latency_s, target.measured_s) == (1.0, 5.0)
    observe(target, 2.0, 8.0, 30.0)
    assert (target.latency_s, target.measured_s) == (pytest.approx(1.1), 8.0)


def test_what_was_measured_long_ago_weighs_little():
    """As it has faded in the routing's order: one answer is enough to see that a brown-out is over."""
    target = Target(latency_s=5.0, measured_s=10.0)
    observe(target, 1.0, 70.0, 30.0)
    assert target.latency_s == pytest.approx(1.0 + 4.0 * exp(-2.0))


def test_failures_measure_no_latency():
    hand = by_hand()
    hand.answer(hand.start(0.0), 9.0, status=503)
    assert hand.g.targets[0].latency_s == 0.0


def test_a_target_begins_unused():
    target = by_hand().g.targets[0]
    assert (target.in_flight, target.latency_s, target.measured_s, target.cached_saving_usd) == (0, 0.0, 0.0, 0.0)
    assert (target.input_usd, target.output_usd) == pytest.approx((1e-6, 2e-6))


def test_tokens_from_the_prompt_cache_cost_what_they_cost():
    cached = {"models": {"one": STREAM | {"price": {"input": 1, "output": 2, "cached_input": 0.25}}}, "prompt_cache": {}}
    assert by_hand(changes={"a": cached}).g.targets[0].cached_saving_usd == pytest.approx(0.75e-6)


QUEUE = {"queue": {"concurrency": 1, "waiting": 9}}


class TestClientsWhoLeave:
    def test_their_work_is_cancelled_and_their_slot_given_back(self):
        served = serve_at(scenario(client={"timeout": "600ms"}, gateway=QUEUE), [0.0, 0.5])
        assert served.outcomes == ["abandoned", "abandoned"]
        assert served.latencies_s == [0.6, 0.6]
        assert [row["started_s"] for row in served.attempts] == [0.0, 0.6], "the second was admitted when the first left"
        assert served.g.admission.in_service == 0

    def test_or_goes_on_if_the_scenario_says_so(self):
        served = serve_at(scenario(client={"timeout": "600ms"}, gateway=QUEUE | {"cancel_on_disconnect": False}), [0.0, 0.5])
        assert served.outcomes == ["abandoned", "abandoned"]
        assert [row["started_s"] for row in served.attempts] == [0.0, 1.0]
        assert served.rows["cost_usd"].tolist() == pytest.approx([20e-6, 20e-6]), "work nobody waits for is billed all the same"

    def test_one_that_leaves_the_line_leaves_no_hole(self):
        served = serve_at(scenario(client={"timeout": "1500ms"}, gateway=QUEUE), [0.0, 0.0, 0.0, 1.9])
        assert served.outcomes == ["ok", "abandoned", "abandoned", "ok"]
        assert served.g.admission.waiting == 0
