"""Hedges: when a second attempt is made, where it goes, which one wins, and what both cost."""

from __future__ import annotations

import pytest

from sim.data.statuses import CANCELLED
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, serve_at

SLOW = {"models": {"one": {"latency": {"kind": "constant", "value": "3s"}, "price": {"input": 1, "output": 2}}}}
BROKEN = {"errors": {"rate": 1.0, "after": {"kind": "constant", "value": "100ms"}}}


def hedging(to="next", after="500ms", at_most=1.0, **changes):
    gateway = {"hedge": {"after": after, "at_most": at_most, "to": to}} | changes.pop("gateway", {})
    return scenario(gateway=gateway, **changes)


def begun(**gateway):
    """A call that has two attempts under way: (hand, call, first, second)."""
    hand = by_hand(hedge={"after": "500ms", "at_most": 1.0, "to": "next"}, **gateway)
    c = hand.start(0.0)
    hand.time_comes(c)
    return (hand, c, *hand.forks(c))


def test_settings_mean_what_they_say():
    s = by_hand(hedge={"after": "2s", "to": "next"}).g.hedge
    assert (s.after_s, s.next, s.ratio, s.balance) == (2.0, True, 0.05, 10.0)
    assert not by_hand(hedge={"after": "2s"}).g.hedge.next
    assert by_hand(hedge={"after": "2s", "at_most": 0}).g.hedge.balance == 0.0


class TestInTime:
    def test_the_second_attempt_goes_to_the_next_target_and_wins_when_the_first_is_slow(self):
        served = serve_at(hedging(a=SLOW), [0.0])
        assert served.outcomes == ["ok"]
        assert served.latencies_s == [1.5], "half a second of waiting, one of answering"
        assert served.attempts["target"].tolist() == [0, 1]
        assert served.attempts["status"].tolist() == [CANCELLED, 200]
        assert served.rows["target"].tolist() == [1]
        assert served.rows["attempts"].tolist() == [2]

    def test_the_loser_is_billed_what_it_had_read_and_written(self):
        served = serve_at(hedging(a=SLOW), [0.0])
        assert served.attempts["cost_usd"].tolist() == pytest.approx([10e-6, 10e-6 + 5 * 2e-6])
        assert served.rows["cost_usd"].tolist() == pytest.approx([30e-6])

    def test_the_same_target_may_be_asked_twice(self):
        served = serve_at(hedging(to="same", a=SLOW), [0.0])
        assert served.attempts["target"].tolist() == [0, 0]
        assert served.latencies_s == [3.0], "the first was first"

    def test_no_second_attempt_while_the_first_answers_in_time(self):
        assert len(serve_at(hedging(after="2s"), [0.0]).attempts) == 1

    def test_hedges_stay_within_their_share(self):
        """Ten are saved up; from then on one request in twenty."""
        served = serve_at(hedging(at_most=0.05, a=SLOW), [float(second) for second in range(0, 400, 4)])
        hedged = (served.rows["attempts"] == 2).tolist()
        assert hedged[:10] == [True] * 10
        assert sum(hedged) == 14
        assert sum(hedged[-20:]) == 1

    def test_a_hedge_that_fails_leaves_the_field_to_the_first(self):
        served = serve_at(hedging(a=SLOW, b=BROKEN), [0.0])
        assert served.outcomes == ["ok"]
        assert served.latencies_s == [3.0]
        assert served.rows["failed_s"].tolist() == [0.0], "a failure beside a success cost no time"

    def test_a_client_that_leaves_ends_both(self):
        served = serve_at(hedging(a=SLOW, client={"timeout": "1s"}), [0.0])
        assert served.outcomes == ["abandoned"]
        assert served.attempts["status"].tolist() == [CANCELLED, CANCELLED]
        assert all(target.in_flight == 0 for target in served.g.targets.values())
        assert served.rows["cost_usd"].tolist() == pytest.approx([sum(served.attempts["cost_usd"])])

    def test_the_first_content_wins_before_the_answer_is_complete(self):
        """a shows content after 0.6 s and ends after 4.6 s; b, begun at 0.5 s, would end at 1.5 s."""
        ttft = {"ttft": {"kind": "constant", "value": "600ms"}, "per_token": {"kind": "constant", "value": "1s"}}
        streaming = {"models": {"one": ttft | {"price": {"input": 1, "output": 2}}}}
        served = serve_at(hedging(a=streaming), [0.0])
        assert (served.rows["target"].tolist(), served.latencies_s) == ([0], [4.6])
        assert served.rows["ttft_s"].tolist() == pytest.approx([0.6])
        assert [(row["target"], row["status"], round(row["duration_s"], 9)) for row in served.attempts] == [
            (0, 200, 4.6),
            (1, CANCELLED, 0.1),
        ]
        whole = serve_at(hedging(a=streaming, client={"stream": False}), [0.0])
        assert (whole.rows["target"].tolist(), whole.latencies_s) == ([1], [1.5]), (
            "to a client that does not stream, the whole answer counts"
        )


class TestForks:
    def test_the_parent_waits_and_the_forks_perform(self):
        _, c, first, second = begun()
        assert [each.state for each in (c, first, second)] == ["waiting", "performing", "performing"]
        assert (first.attempt, second.attempt, c.attempts) == (0, 1, 2)

    def test_the_first_answer_wins_and_stays_the_winner(self):
        hand, c, first, second = begun()
        hand.answer(second, 1.0)
        assert (c.state, first.state, c.target, c.latency_s) == ("ok", "abandoned", 1, 1.0)
        assert hand.is_idle()

    def test_the_one_that_shows_content_has_won_and_the_other_is_cancelled_at_once(self):
        hand, c, first, second = begun()
        hand.show(first, 0.75)
        assert (c.state, first.performing, second.state) == ("waiting", True, "abandoned")
        assert (first.wins, second.status) == (True, CANCELLED)
        hand.answer(first, 4.0, first_s=0.75)
        assert (c.state, c.target, c.first_token_s, c.generation_s, c.ttft_s) == ("ok", 0, 0.75, 3.25, 0.75)
        assert hand.is_idle()

    def test_of_a_winner_that_breaks_off_the_client_has_seen_half(self):
        hand, c, first, _ = begun(retry={"attempts": 3}, fallback=["canned"])
        hand.show(first, 0.75)
        hand.answer(first, 2.0, status=0, first_s=0.75)
        assert (c.state, c.committed, c.ttft_s, c.failed_s) == ("error", True, 0.75, 2.0)

    def test_the_wait_for_the_second_belongs_to_the_first_token(self):
        hand, c, _, second = begun()
        hand.answer(second, 2.5, first_s=0.5)
        assert (c.first_token_s, c.generation_s, c.failed_s, c.latency_s) == (1.0, 1.5, 0.0, 2.5)

    def test_if_both_fail_the_later_failure_counts_and_its_time_once(self):
        hand, c, first, second = begun()
        hand.answer(first, 1.0, status=503)
        assert c.state == "waiting"
        hand.answer(second, 2.0, status=-1)
        assert (c.state, c.failed_s) == ("timeout", 2.0)
        assert hand.is_idle()

    def test_a_first_attempt_that_fails_before_the_second_has_begun_fails_the_call(self):
        hand = by_hand(hedge={"after": "500ms", "at_most": 1.0})
        c = hand.start(0.0)
        hand.answer(hand.forks(c)[0], 0.25, status=503)
        assert (c.state, c.attempts, hand.is_idle()) == ("error", 1, True)

    def test_retries_hedge_again(self):
        hand = by_hand(hedge={"after": "500ms", "at_most": 1.0}, retry={"attempts": 2, "backoff": {"kind": "none"}})
        c = hand.start(0.0)
        hand.answer(hand.forks(c)[0], 0.25, status=503)
        hand.time_comes(c)
        assert [fork.state for fork in hand.forks(c)] == ["performing"]
        hand.time_comes(c)
        hand.answer(hand.forks(c)[1], 1.0)
        assert (c.state, c.attempts, c.failed_s, c.latency_s) == ("ok", 3, 0.25, 1.0)
        assert hand.is_idle()

    def test_what_all_forks_cost_is_the_calls(self):
        hand = by_hand(hedge={"after": "500ms", "at_most": 1.0, "to": "next"})
        c = hand.time_comes(hand.start(0.0, streams=False))
        first, second = hand.forks(c)
        hand.answer(first, 1.0, status=0, first_s=0.5, tokens=3, cached=4)
        hand.answer(second, 2.0, tokens=100, cached=2)
        assert c.cost_usd == pytest.approx(10e-6 + 3 * 2e-6 + 10e-6 + 100 * 2e-6)
        assert c.cached_tokens == 6

    def test_a_client_that_leaves_at_the_moment_of_an_answer_has_left(self):
        hand = by_hand(hedge={"after": "500ms", "at_most": 1.0})
        c = hand.start(0.0, leaves_s=1.0)
        hand.answer(hand.forks(c)[0], 1.0)
        assert (c.state, hand.is_idle()) == ("abandoned", True)

    def test_no_attempt_is_begun_at_a_target_whose_breaker_has_opened_meanwhile(self):
        breaker = {"window_size": 1, "minimum_calls": 1}
        hand = by_hand(
            hedge={"after": "9s", "at_most": 1.0},
            breaker=breaker,
            retry={"attempts": 2},
            routing={"kind": "round-robin", "models": ["a/one"]},
        )
        first, second = hand.start(0.0), hand.start(0.0)
        hand.answer(hand.forks(first)[0], 1.0, status=503)
        assert (first.state, first.attempts) == ("error", 1)
        hand.answer(hand.forks(second)[0], 2.0, status=503)
        assert (second.state, second.attempts, hand.is_idle()) == ("error", 1, True)

    def test_the_second_goes_to_the_same_target_where_no_other_may_be_called(self):
        hand = by_hand(hedge={"after": "500ms", "at_most": 1.0, "to": "next"}, routing={"kind": "round-robin", "models": ["a/one"]})
        c = hand.start(0.0)
        hand.time_comes(c)
        assert [fork.target for fork in hand.forks(c)] == [0, 0]

    def test_an_empty_budget_leaves_the_first_alone(self):
        hand = by_hand(hedge={"after": "500ms", "at_most": 0})
        c = hand.start(0.0)
        hand.time_comes(c)
        assert (c.state, len(hand.forks(c)), c.until_s) == ("waiting", 1, float("inf"))
        hand.answer(hand.forks(c)[0], 9.0)
        assert (c.state, c.latency_s) == ("ok", 9.0)
