"""Retries and failover: which answers deserve one, how long to wait, where the next attempt goes, and how many there may be."""

from __future__ import annotations

import pytest

from sim.gateway.stages.retry import BACKOFFS, RESERVE, State, backoff_s, deposit, deserves_retry, withdraw
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, serve_at

OUTAGE = {"kind": "outage", "provider": "a", "at": "0s", "for": "1000s"}
BOTH_OUT = (OUTAGE, OUTAGE | {"provider": "b"})
TWICE = {"attempts": 3, "backoff": {"kind": "constant", "base": "500ms"}}
LIMITED = {"limits": {"requests": "1/min"}}


def budget(ratio, balance=None):
    s = by_hand(retry={"budget": ratio}).g.retry
    if balance is not None:
        s.balance = balance
    return s


def tried(hand, c, status=503):
    """Targets of the attempts of a call that all end with this status, and the pauses before each."""
    targets, pauses = [], []
    while c.verdict < 0:
        if c.performing:
            targets.append(c.target)
            hand.answer(c, c.attempt_started_s, status=status)
        else:
            pauses.append(c.pause_s)
            hand.time_comes(c)
    return targets, pauses


class TestBackoff:
    @staticmethod
    def rule(kind, base_s=1.0, cap_s=8.0):
        s = by_hand(retry={"backoff": {"kind": kind, "base": f"{base_s}s", "cap": f"{cap_s}s"}}).g.retry
        assert BACKOFFS[s.backoff] == kind
        return s

    @pytest.mark.parametrize(
        ("kind", "pauses_s"),
        [
            ("full-jitter", [0.5, 1.0, 2.0, 4.0, 4.0]), ("equal-jitter", [0.75, 1.5, 3.0, 6.0, 6.0]),
            ("exponential", [1.0, 2.0, 4.0, 8.0, 8.0]), ("constant", [1.0] * 5), ("none", [0.0] * 5),
        ],
    )  # fmt: skip
    def test_pauses_are_awss(self, kind, pauses_s):
        assert [backoff_s(self.rule(kind), retry, 0.0, 0.5) for retry in range(5)] == pauses_s

    def test_decorrelated_jitter_hangs_on_the_pause_before(self):
        assert backoff_s(self.rule("decorrelated-jitter"), 1, 2.0, 0.5) == 1.0 + 0.5 * (6.0 - 1.0)
        assert backoff_s(self.rule("decorrelated-jitter"), 1, 7.0, 0.9) == 8.0
        assert backoff_s(self.rule("decorrelated-jitter", 0.1, 4.0), 0, 0.0, 0.5) == pytest.approx(0.1 + 0.5 * (0.3 - 0.1))

    def test_the_defaults_are_full_jitter_from_half_a_second_to_eight(self):
        s = by_hand(retry={}).g.retry
        assert (s.attempts, BACKOFFS[s.backoff], s.base_s, s.cap_s, s.honors_retry_after, s.next) == (
            3,
            "full-jitter",
            0.5,
            8.0,
            True,
            False,
        )
        assert by_hand().g.retry.attempts == 1

    def test_the_draw_belongs_to_the_request_and_its_retry(self):
        def pauses(number):
            hand = by_hand(retry={"attempts": 4})
            return tried(hand, hand.start(0.0, request=number))[1]

        assert pauses(5) == pauses(5) != pauses(6)
        assert len(set(pauses(5))) == 3


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0, True), (-1, True), (200, False), (400, False), (401, False), (404, False), (408, True), (409, True), (410, False), (429, True),
        (499, False), (500, True), (529, True),
    ],
)  # fmt: skip
def test_statuses_that_deserve_a_retry(status, expected):
    assert deserves_retry(status) is expected


class TestBudget:
    def test_it_starts_full_and_a_retry_costs_a_whole_token(self):
        s = budget(0.1)
        assert s.balance == RESERVE == 10.0
        assert [withdraw(s) for _ in range(11)] == [True] * 10 + [False]
        s.balance = 1.0
        assert withdraw(s), "exactly one is enough"

    def test_it_allows_its_share_of_requests_beyond_its_reserve(self):
        s, spent = budget(0.2), 0
        for _ in range(1000):
            deposit(s)
            spent += withdraw(s)
        assert spent == pytest.approx(200 + RESERVE, abs=1)

    def test_no_more_than_the_reserve_is_saved_up(self):
        s = budget(0.5, balance=9.8)
        deposit(s)
        assert s.balance == RESERVE

    def test_no_share_is_none_from_the_start(self):
        assert budget(0.0).balance == 0.0
        assert serve_at(scenario(gateway={"retry": TWICE | {"budget": 0.0}}, faults=[OUTAGE]), [0.0]).rows["attempts"].tolist() == [1]

    def test_without_one_retries_are_free(self):
        hand = by_hand(retry=TWICE)
        for _ in range(50):
            assert len(tried(hand, hand.start(0.0))[0]) == 3

    def test_every_call_pays_in_and_only_retries_are_paid_for(self):
        hand = by_hand(retry=TWICE | {"budget": 0.5}, fallback=["next-provider"])
        hand.g.retry.balance = 5.0
        assert tried(hand, hand.start(0.0))[0] == [0, 0, 0, 1, 1, 1]
        assert hand.g.retry.balance == 1.5, "half paid in, four retries; failing over is free"
        assert tried(hand, hand.start(0.0))[0] == [0, 0, 0, 1], "two tokens for two retries"


class TestWhere:
    def test_on_the_same_target_after_a_pause(self):
        hand = by_hand(retry=TWICE)
        assert tried(hand, hand.start(0.0)) == ([0, 0, 0], [0.5, 0.5])

    def test_on_the_next_target_in_turn(self):
        hand = by_hand(retry=TWICE | {"attempts": 4, "to": "next"})
        assert tried(hand, hand.start(0.0)) == ([0, 1, 0, 1], [0.5, 0.5, 0.5])

    def test_on_whichever_the_routing_chooses_anew(self):
        hand = by_hand(retry=TWICE | {"to": "any"}, routing={"kind": "least-busy", "models": ["a/one", "b/two"]})
        assert tried(hand, hand.start(0.0)) == ([0, 0, 0], [0.5, 0.5])
        for c in [hand.start(0.0) for _ in range(3)]:
            c.aim = c.target
        assert hand.g.targets[0].in_flight == 2
        assert tried(hand, hand.start(0.0))[0] == [1, 1, 1]

    def test_on_one_that_is_drawn_by_weight_for_each_attempt(self):
        hand = by_hand(retry=TWICE | {"attempts": 20, "to": "any"}, routing={"kind": "weighted", "weights": {"a/one": 3, "b/two": 1}})
        targets = [target for _ in range(50) for target in tried(hand, hand.start(0.0))[0]]
        assert len(targets) == 1000
        assert 0.70 < targets.count(0) / 1000 < 0.80

    def test_on_none_once_the_routing_has_none_left(self):
        ejection = {"kind": "litellm", "cooldown_time": "5s"}
        hand = by_hand(retry=TWICE | {"to": "any"}, routing={"kind": "least-busy", "models": ["a/one", "b/two"]}, ejection=ejection)
        assert tried(hand, hand.start(0.0), status=429)[0] == [0, 1], "each cools down for it"

    def test_then_at_the_next_provider_at_once(self):
        hand = by_hand(retry=TWICE | {"attempts": 2}, fallback=["next-provider"])
        assert tried(hand, hand.start(0.0)) == ([0, 0, 1, 1], [0.5, 0.5])

    def test_a_target_whose_breaker_is_open_is_passed_over(self):
        hand = by_hand(retry=TWICE, fallback=["next-provider"], breaker={"window_size": 1, "minimum_calls": 1})
        assert tried(hand, hand.start(0.0)) == ([0, 1], [])

    @pytest.mark.parametrize("to", ["same", "next"])
    def test_a_client_error_is_repeated_nowhere(self, to):
        hand = by_hand(retry=TWICE | {"to": to})
        assert tried(hand, hand.start(0.0), status=400)[0] == [0]

    @pytest.mark.parametrize(("to", "pauses"), [("same", []), ("next", [0.5])])
    def test_a_target_that_cannot_do_it_is_tried_once_and_the_next_provider_then(self, to, pauses):
        hand = by_hand(retry=TWICE | {"to": to, "attempts": 4}, fallback=["next-provider"])
        assert tried(hand, hand.start(0.0), status=400) == ([0, 1], pauses)

    def test_an_answer_after_a_failure_is_an_answer(self):
        hand = by_hand(retry=TWICE)
        c = hand.time_comes(hand.answer(hand.start(0.0), 1.0, status=503))
        hand.answer(c, 2.5)
        assert (c.state, c.attempts, c.failed_s, c.backoff_s, c.latency_s) == ("ok", 2, 1.0, 0.5, 2.5)

    def test_the_last_failure_is_the_calls(self):
        hand = by_hand(retry=TWICE | {"attempts": 2})
        c = hand.time_comes(hand.answer(hand.start(0.0), 1.0, status=503))
        assert hand.answer(c, 2.0, status=-1).state == "timeout"

    def test_a_client_that_has_seen_content_gets_no_second_attempt(self):
        hand = by_hand(retry=TWICE)
        assert hand.answer(hand.start(0.0), 1.0, status=0, first_s=0.5).state == "error"
        unseen = hand.start(0.0, streams=False)
        assert hand.answer(unseen, 1.0, status=0, first_s=0.5).state == "waiting"


class TestRetryAfter:
    def pause(self, retry_after_s, **retry):
        hand = by_hand(retry=TWICE | retry)
        return hand.answer(hand.start(0.0), 0.0, status=429, retry_after_s=retry_after_s).pause_s

    def test_a_longer_wait_than_the_pause_is_honoured(self):
        assert (self.pause(7.0), self.pause(0.1), self.pause(float("nan"))) == (7.0, 0.5, 0.5)

    def test_unless_the_scenario_says_otherwise_or_the_retry_goes_elsewhere(self):
        assert self.pause(7.0, honor_retry_after=False) == 0.5
        assert self.pause(7.0, to="next") == 0.5

    def test_in_time(self):
        served = serve_at(scenario(gateway={"retry": TWICE}, a=LIMITED), [0.0, 1.0])
        assert served.latencies_s[1] == pytest.approx(0.1 + 59.0 + 1.0, abs=0.2)
        served = serve_at(scenario(gateway={"retry": TWICE | {"to": "next"}}, a=LIMITED), [0.0, 1.0])
        assert served.latencies_s[1] == 0.1 + 0.5 + 1.0


class TestDeadline:
    @pytest.mark.parametrize(("total", "attempts"), [("550ms", 1), ("600ms", 1), ("601ms", 2)])
    def test_no_retry_is_begun_that_would_come_at_it_or_later(self, total, attempts):
        served = serve_at(scenario(gateway={"retry": TWICE, "timeout": {"total": total}}, faults=[OUTAGE]), [0.0])
        assert served.rows["attempts"].tolist() == [attempts]
        assert served.latencies_s == [0.1] if attempts == 1 else [0.601]

    def test_the_next_provider_may_still_be_asked_at_once(self):
        hand = by_hand(retry=TWICE, timeout={"total": "400ms"}, fallback=["next-provider"])
        c = hand.answer(hand.start(0.0), 0.1, status=503)
        assert (c.state, c.target) == ("performing", 1)

    def test_a_call_that_comes_too_late_tries_nothing(self):
        hand = by_hand(retry=TWICE | {"budget": 0.5}, timeout={"total": "1s"}, queue={"concurrency": 1, "waiting": 1})
        hand.g.retry.balance = 5.0
        first = hand.start(0.0)
        second = hand.start(0.0)
        hand.depart(first, 1.0)
        assert (second.state, second.attempts, hand.g.retry.balance) == ("timeout", 0, 5.5), "and pays nothing into the budget"


class TestInTime:
    def test_a_failed_attempt_is_repeated_after_its_backoff(self):
        served = serve_at(scenario(gateway={"retry": TWICE}, faults=[OUTAGE | {"for": "500ms"}]), [0.0])
        assert served.outcomes == ["ok"]
        assert served.latencies_s == [0.1 + 0.5 + 1.0]
        assert served.rows["attempts"].tolist() == [2]
        assert served.rows["failed_s"].tolist() == [0.1]
        assert served.rows["backoff_s"].tolist() == [0.5]

    def test_attempts_are_bounded(self):
        served = serve_at(scenario(gateway={"retry": TWICE}, faults=[OUTAGE]), [0.0])
        assert served.outcomes == ["error"]
        assert [row["status"] for row in served.attempts] == [503, 503, 503]

    def test_a_retry_may_go_to_the_next_target(self):
        served = serve_at(scenario(gateway={"retry": TWICE | {"to": "next"}}, faults=[OUTAGE]), [0.0])
        assert served.outcomes == ["ok"]
        assert served.rows["target"].tolist() == [1]
        assert served.latencies_s == [0.1 + 0.5 + 1.0]

    def test_the_next_provider_answers_without_backoff(self):
        served = serve_at(scenario(gateway={"fallback": ["next-provider"]}, faults=[OUTAGE]), [0.0])
        assert served.outcomes == ["ok"]
        assert served.latencies_s == [1.1]

    def test_client_errors_of_both_providers(self):
        both = [fault | {"status": 400} for fault in BOTH_OUT]
        gateway = {"retry": TWICE | {"to": "next", "attempts": 4}, "fallback": ["next-provider"]}
        assert [row["target"] for row in serve_at(scenario(gateway=gateway, faults=both), [0.0]).attempts] == [0, 1]

    def test_nothing_is_waited_or_paid_for_while_the_breaker_is_open(self):
        gateway = {"retry": TWICE | {"budget": 0.1}, "breaker": {"window_size": 1, "minimum_calls": 1}, "fallback": ["next-provider"]}
        served = serve_at(scenario(gateway=gateway, faults=[OUTAGE]), [0.0])
        assert served.latencies_s == [0.1 + 1.0]
        assert served.g.retry.balance == 10.0


def test_a_state_is_made_of_numbers():
    assert {type(value) for value in (getattr(by_hand().g.retry, name) for name in State.__slots__)} <= {int, float, bool}
