"""What the gateway does with a request, stage by stage. Providers answer in exactly one second."""

from __future__ import annotations

import pytest

from sim.coroutines import CoroutineEnvironment
from tests.sim.tiny import scenario, serve_all, serve_at

OUTAGE = {"kind": "outage", "provider": "a", "at": "0s", "for": "1000s"}
RETRY_TWICE = {"attempts": 3, "backoff": {"kind": "constant", "base": "500ms"}}


def test_a_request_takes_as_long_as_its_provider():
    served = serve_at(scenario(), [0.0, 0.25])
    assert served.outcomes == ["ok", "ok"]
    assert served.latencies_s == [1.0, 1.0]
    assert served.rows["cost_usd"].tolist() == pytest.approx([20e-6, 20e-6])  # 10 tokens at 1 and 5 at 2 USD per million


def test_a_rate_limit_refuses_at_once():
    served = serve_at(scenario(gateway={"limits": {"global": {"requests": "2/s"}}}), [0.0, 0.0, 0.0, 0.5])
    assert served.outcomes == ["ok", "ok", "rate_limited", "ok"]
    assert served.latencies_s[2] == 0.0


def test_the_gateways_cpu_serves_one_after_the_other():
    served = serve_at(scenario(), [0.0, 0.0], cpu_s=0.1)
    assert served.latencies_s == [1.1, 1.2]
    assert served.rows["cpu_s"].tolist() == pytest.approx([0.1, 0.2])


class TestQueue:
    def test_requests_wait_their_turn(self):
        served = serve_at(scenario(gateway={"queue": {"concurrency": 1, "waiting": 5}}), [0.0, 0.0, 0.5])
        assert served.latencies_s == [1.0, 2.0, 2.5]
        assert served.rows["queue_wait_s"].tolist() == [0.0, 1.0, 1.5]

    def test_a_full_line_rejects(self):
        served = serve_at(scenario(gateway={"queue": {"concurrency": 1, "waiting": 1}}), [0.0, 0.0, 0.0])
        assert served.outcomes == ["ok", "ok", "rejected"]

    def test_whoever_waits_too_long_is_rejected_and_passed_over(self):
        served = serve_at(scenario(gateway={"queue": {"concurrency": 1, "waiting": 5, "timeout": "700ms"}}), [0.0, 0.0, 0.5])
        assert served.outcomes == ["ok", "rejected", "ok"]
        assert served.latencies_s == [1.0, 0.7, 1.5]


CACHE = {"cache": [{"kind": "exact", "ttl": "10s"}]}


class TestCache:
    def test_an_identical_prompt_is_answered_at_once_until_it_is_too_old(self):
        served = serve_at(scenario(gateway=CACHE), [0.0, 5.0, 10.9, 11.0], prompts=[7, 7, 7, 7])
        assert served.outcomes == ["ok", "cache_hit", "cache_hit", "ok"]
        assert served.latencies_s == [1.0, 0.0, 0.0, 1.0]

    def test_identical_prompts_under_way_share_one_call(self):
        served = serve_at(scenario(gateway=CACHE), [0.0, 0.25, 0.5], prompts=[7, 7, 7])
        assert served.outcomes == ["ok", "cache_hit", "cache_hit"]
        assert served.latencies_s == [1.0, 0.75, 0.5]
        assert len(served.attempts) == 1

    def test_without_single_flight_each_asks(self):
        cache = {"cache": [{"kind": "exact", "ttl": "10s", "single_flight": False}]}
        assert len(serve_at(scenario(gateway=cache), [0.0, 0.25, 0.5], prompts=[7, 7, 7]).attempts) == 3

    def test_when_the_first_asker_fails_the_next_one_asks(self):
        fault = OUTAGE | {"for": "50ms"}
        served = serve_at(scenario(gateway=CACHE, faults=[fault]), [0.0, 0.06], prompts=[7, 7])
        assert served.outcomes == ["error", "ok"]
        assert served.latencies_s == [0.1, pytest.approx(1.04)]

    def test_a_prompt_with_history_is_never_taken_from_the_cache(self):
        served = serve_at(scenario(gateway=CACHE), [0.0, 5.0], prompts=[7, 7], history=[100])
        assert served.outcomes == ["ok", "ok"]


class TestRetries:
    def test_a_failed_attempt_is_repeated_after_its_backoff(self):
        served = serve_at(scenario(gateway={"retry": RETRY_TWICE}, faults=[OUTAGE | {"for": "500ms"}]), [0.0])
        assert served.outcomes == ["ok"]
        assert served.latencies_s == [0.1 + 0.5 + 1.0]
        assert served.rows["attempts"].tolist() == [2]
        assert served.rows["failed_s"].tolist() == [0.1]
        assert served.rows["backoff_s"].tolist() == [0.5]

    def test_attempts_are_bounded(self):
        served = serve_at(scenario(gateway={"retry": RETRY_TWICE}, faults=[OUTAGE]), [0.0])
        assert served.outcomes == ["error"]
        assert [row["status"] for row in served.attempts] == [503, 503, 503]

    def test_a_client_error_is_not_repeated(self):
        served = serve_at(scenario(gateway={"retry": RETRY_TWICE}, faults=[OUTAGE | {"status": 400}]), [0.0])
        assert served.rows["attempts"].tolist() == [1]

    def test_an_empty_budget_stops_retries(self):
        gateway = {"retry": RETRY_TWICE | {"budget": 0.0}}
        assert serve_at(scenario(gateway=gateway, faults=[OUTAGE]), [0.0]).rows["attempts"].tolist() == [1]

    def test_retry_after_is_honoured(self):
        limited = {"limits": {"requests": "1/min"}}
        served = serve_at(scenario(gateway={"retry": RETRY_TWICE}, a=limited), [0.0, 1.0])
        assert served.latencies_s[1] == pytest.approx(0.1 + 59.0 + 1.0, abs=0.2)

    def test_a_retry_may_go_to_the_next_target(self):
        served = serve_at(scenario(gateway={"retry": RETRY_TWICE | {"to": "next"}}, faults=[OUTAGE]), [0.0])
        assert served.outcomes == ["ok"]
        assert served.rows["target"].tolist() == [1]
        assert served.latencies_s == [0.1 + 0.5 + 1.0]

    def test_only_its_own_target_is_waited_for_as_retry_after_says(self):
        limited = {"limits": {"requests": "1/min"}}
        served = serve_at(scenario(gateway={"retry": RETRY_TWICE | {"to": "next"}}, a=limited), [0.0, 1.0])
        assert served.latencies_s[1] == 0.1 + 0.5 + 1.0

    @pytest.mark.parametrize("to", ["same", "next"])
    def test_a_client_error_is_repeated_nowhere(self, to):
        served = serve_at(scenario(gateway={"retry": RETRY_TWICE | {"to": to}}, faults=[OUTAGE | {"status": 400}]), [0.0])
        assert [row["target"] for row in served.attempts] == [0]
        assert served.outcomes == ["error"]

    def test_a_target_that_cannot_do_it_is_tried_once_and_the_next_provider_then(self):
        both = [OUTAGE | {"status": 400}, OUTAGE | {"provider": "b", "status": 400}]
        gateway = {"retry": RETRY_TWICE | {"to": "next", "attempts": 4}, "fallback": ["next-provider"]}
        assert [row["target"] for row in serve_at(scenario(gateway=gateway, faults=both), [0.0]).attempts] == [0, 1]

    def test_nothing_is_waited_or_paid_for_while_the_breaker_is_open(self):
        gateway = {
            "retry": RETRY_TWICE | {"budget": 0.1},
            "breaker": {"window_size": 1, "minimum_calls": 1},
            "fallback": ["next-provider"],
        }
        served = serve_at(scenario(gateway=gateway, faults=[OUTAGE]), [0.0])
        assert served.latencies_s == [0.1 + 1.0]
        assert served.world.gateway.budget.balance == 10.0


class TestTimeouts:
    hang = OUTAGE | {"mode": "hang"}

    def test_no_first_token_in_time_cuts_the_attempt(self):
        served = serve_at(scenario(gateway={"timeout": {"first_token": "2s"}}, faults=[self.hang]), [0.0])
        assert served.outcomes == ["timeout"]
        assert served.latencies_s == [2.0]

    def test_the_deadline_cuts_a_stream_and_bills_what_was_produced(self):
        slow = {
            "models": {
                "one": {
                    "ttft": {"kind": "constant", "value": "1s"},
                    "per_token": {"kind": "constant", "value": "1s"},
                    "price": {"input": 1, "output": 2},
                }
            }
        }
        served = serve_at(scenario(gateway={"timeout": {"total": "3500ms"}, "fallback": ["canned"]}, a=slow), [0.0])
        assert served.outcomes == ["timeout"], "a client that has seen half an answer gets no canned one"
        assert served.latencies_s == [3.5]
        assert served.attempts[0]["output_tokens"] == 3  # of 5 tokens
        assert served.rows["cost_usd"].tolist() == pytest.approx([16e-6])

    def test_no_retry_is_begun_that_the_deadline_would_not_allow(self):
        gateway = {"retry": RETRY_TWICE, "timeout": {"total": "550ms"}}
        served = serve_at(scenario(gateway=gateway, faults=[OUTAGE]), [0.0])
        assert served.rows["attempts"].tolist() == [1]
        assert served.latencies_s == [0.1]


# A call begun 1.1 s after these arrivals and cut 3.6 s after them ends at the deadline, a rounding before it, and a rounding after it.
ROUNDINGS = pytest.mark.parametrize("at_s", [0.0, 0.2, 0.3])
ROUNDED = {"timeout": {"total": "3600ms"}}


class TestDeadlines:
    """What has no time left neither waits in a line nor calls anybody."""

    hang = OUTAGE | {"mode": "hang", "for": "9000s"}

    def test_one_that_has_waited_for_the_cpu_until_then_calls_nobody(self):
        gateway = {"timeout": {"total": "1500ms"}, "queue": {"concurrency": 9, "waiting": 0}}
        served = serve_at(scenario(gateway=gateway), [0.0, 0.0, 0.0, 0.0, 0.0], cpu_s=0.4)
        assert served.outcomes == ["ok", "timeout", "timeout", "timeout", "timeout"]
        assert served.latencies_s == [1.4, 1.5, 1.5, 1.6, 2.0]
        assert served.rows["attempts"].tolist() == [1, 1, 1, 0, 0]
        assert served.rows["failed_s"].round(9).tolist() == [0.0, 0.7, 0.3, 0.0, 0.0]
        assert served.world.gateway.admission.in_service == 0

    @pytest.mark.parametrize("lookup_s", [1.5, 2.0])
    def test_one_whose_session_was_looked_up_until_then_calls_nobody(self, lookup_s):
        served = serve_at(scenario(gateway=CACHE | {"timeout": {"total": "1500ms"}}), [0.0], lookup_s=lookup_s)
        assert served.outcomes == ["timeout"]
        assert served.latencies_s == [lookup_s]
        assert not len(served.attempts)
        assert served.world.gateway.cache.flights == {}

    def test_no_answer_comes_from_the_cache_after_it(self):
        requests = [{"arrival_s": 0.0, "prompt": 7}, {"arrival_s": 1.5, "prompt": 7, "lookup_s": 2.0}]
        assert serve_all(scenario(gateway=CACHE | {"timeout": {"total": "1500ms"}}), requests).outcomes == ["ok", "timeout"]

    @ROUNDINGS
    def test_one_that_is_woken_from_a_flight_then_does_not_ask_itself(self, at_s):
        served = serve_at(scenario(gateway=CACHE | ROUNDED, faults=[self.hang]), [at_s] * 4, prompts=[7] * 4, lookup_s=1.1)
        assert served.outcomes == ["timeout"] * 4
        assert served.latencies_s == [3.6] * 4
        assert (served.attempts["duration_s"] > 0).all()
        assert served.world.gateway.cache.flights == {}

    @ROUNDINGS
    def test_one_whose_turn_comes_then_gives_its_slot_to_the_next(self, at_s):
        gateway = ROUNDED | {"queue": {"concurrency": 1, "waiting": 9}}
        served = serve_at(scenario(gateway=gateway, faults=[self.hang]), [at_s] * 4, lookup_s=1.1)
        assert served.outcomes == ["timeout"] * 4
        assert served.latencies_s == [3.6] * 4
        assert (served.attempts["duration_s"] > 0).all()
        assert served.world.gateway.admission.in_service == served.world.gateway.admission.waiting == 0

    # The first looks its session up until the second, with more time left, has taken the only slot.
    overtaken = ({"arrival_s": 0.0, "lookup_s": 0.5}, {"arrival_s": 0.4})

    @pytest.mark.parametrize(
        ("queue_timeout", "patience_s", "outcome", "latency_s"),
        [
            (None, 9.0, "timeout", 1.2), ("800ms", 9.0, "timeout", 1.2), ("600ms", 9.0, "rejected", 1.1), ("600ms", 0.3, "abandoned", 0.8),
            (None, 0.3, "abandoned", 0.8),
        ],
    )  # fmt: skip
    def test_who_waits_in_line_until_then_has_timed_out(self, queue_timeout, patience_s, outcome, latency_s):
        gateway = {"timeout": {"total": "1200ms"}, "queue": {"concurrency": 1, "waiting": 9, "timeout": queue_timeout}}
        served = serve_all(scenario(gateway=gateway), [each | {"patience_s": patience_s} for each in self.overtaken])
        assert served.outcomes == [outcome, "ok"]
        assert served.latencies_s == [latency_s, 1.0]
        assert served.world.gateway.admission.in_service == served.world.gateway.admission.waiting == 0

    @pytest.mark.parametrize(("queue_timeout", "outcome"), [(None, "fallback"), ("600ms", "rejected")])
    def test_and_may_have_a_canned_answer(self, queue_timeout, outcome):
        queue = {"concurrency": 1, "waiting": 9, "timeout": queue_timeout}
        gateway = {"timeout": {"total": "1200ms"}, "queue": queue, "fallback": ["canned"]}
        assert serve_all(scenario(gateway=gateway), list(self.overtaken)).outcomes == [outcome, "ok"]

    def test_the_rest_of_an_answer_that_begins_a_rounding_after_it_is_not_waited_for(self, monkeypatch):
        timeouts_s = []

        def park(world, ticket, timeout_s, parked=CoroutineEnvironment.park):
            timeouts_s.append(timeout_s)
            parked(world, ticket, timeout_s)

        monkeypatch.setattr(CoroutineEnvironment, "park", park)
        model = {"ttft": {"kind": "constant", "value": "2152ms"}, "per_token": {"kind": "constant", "value": "10ms"}}
        shared = {"models": {"one": model | {"price": {"input": 1, "output": 2}, "batching": {"slowdown": 0.0}}}}
        served = serve_at(scenario(gateway={"timeout": {"total": "2352ms"}}, a=shared), [1.0], lookup_s=0.2)
        assert served.outcomes == ["timeout"]
        assert served.world.now_s > 1.0 + 2.352
        assert min(timeouts_s) == 0.0


class TestFallback:
    def test_the_next_provider_answers_without_backoff(self):
        served = serve_at(scenario(gateway={"fallback": ["next-provider"]}, faults=[OUTAGE]), [0.0])
        assert served.outcomes == ["ok"]
        assert served.latencies_s == [1.1]

    def test_a_stale_answer_then_a_canned_one(self):
        gateway = {"cache": [{"kind": "exact", "ttl": "2s"}], "fallback": ["stale-cache", "canned"]}
        served = serve_at(scenario(gateway=gateway, faults=[OUTAGE | {"at": "5s"}]), [0.0, 10.0, 20.0], prompts=[7, 7, 8])
        assert served.outcomes == ["ok", "fallback", "fallback"]
        without_canned = serve_at(
            scenario(gateway=gateway | {"fallback": ["stale-cache"]}, faults=[OUTAGE | {"at": "5s"}]), [0.0, 10.0, 20.0], prompts=[7, 7, 8]
        )
        assert without_canned.outcomes == ["ok", "fallback", "error"]

    def test_an_open_breaker_sends_requests_on_at_once(self):
        gateway = {"breaker": {"window_size": 4, "minimum_calls": 4, "open_for": "60s"}, "fallback": ["next-provider"]}
        served = serve_at(scenario(gateway=gateway, faults=[OUTAGE]), [0.0, 1.0, 2.0, 3.0, 4.0])
        assert served.latencies_s == [1.1, 1.1, 1.1, 1.1, 1.0]
        assert [row["target"] for row in served.attempts].count(0) == 4

    def test_an_open_breaker_without_another_provider_fails_fast(self):
        gateway = {"breaker": {"window_size": 2, "minimum_calls": 2}, "routing": {"kind": "round-robin", "models": ["a/one"]}}
        served = serve_at(scenario(gateway=gateway, faults=[OUTAGE]), [0.0, 1.0, 2.0])
        assert served.latencies_s == [0.1, 0.1, 0.0]
        assert served.outcomes == ["error"] * 3


class TestClientsWhoLeave:
    def test_their_work_is_cancelled_and_their_slot_given_back(self):
        served = serve_at(scenario(client={"timeout": "600ms"}, gateway={"queue": {"concurrency": 1, "waiting": 9}}), [0.0, 0.5])
        assert served.outcomes == ["abandoned", "abandoned"]
        assert served.latencies_s == [0.6, 0.6]
        assert [row["started_s"] for row in served.attempts] == [0.0, 0.6], "the second was admitted when the first left"
        assert served.world.gateway.admission.in_service == 0

    def test_or_goes_on_if_the_scenario_says_so(self):
        gateway = {"queue": {"concurrency": 1, "waiting": 9}, "cancel_on_disconnect": False}
        served = serve_at(scenario(client={"timeout": "600ms"}, gateway=gateway), [0.0, 0.5])
        assert served.outcomes == ["abandoned", "abandoned"]
        assert [row["started_s"] for row in served.attempts] == [0.0, 1.0]
        assert served.rows["cost_usd"].tolist() == pytest.approx([20e-6, 20e-6]), "work nobody waits for is billed all the same"

    def test_whoever_leaves_the_line_leaves_no_hole(self):
        served = serve_at(scenario(client={"timeout": "1500ms"}, gateway={"queue": {"concurrency": 1, "waiting": 9}}), [0.0, 0.0, 0.0, 1.9])
        assert served.outcomes == ["ok", "abandoned", "abandoned", "ok"]
        assert served.world.gateway.admission.waiting == 0
