"""Rate limits of the gateway: requests and tokens, for every user and for all, charged at admission and settled at the end."""

from __future__ import annotations

import pytest

from sim.gateway.stages.rate_limit import check
from sim.kernel import containers
from sim.kernel.refusals import NAMES
from sim.provider.rate_limiter import left
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario, serve_at, unchecked


def limited(who="global", **limits):
    return by_hand(limits={who: limits})


def tokens_left(hand, who="all", key=0, now_s=0.0):
    table, times = getattr(hand.g, f"{who}_tokens"), getattr(hand.g, f"{who}_tokens_times")
    return left(table[key], times[key], now_s)[0]


def states(hand, *times_s, **fields):
    return [hand.start(at_s, **fields).state for at_s in times_s]


def test_it_refuses_at_once():
    served = serve_at(scenario(gateway={"limits": {"global": {"requests": "2/s"}}}), [0.0, 0.0, 0.0, 0.5])
    assert served.outcomes == ["ok", "ok", "rate_limited", "ok"]
    assert served.latencies_s[2] == 0.0


def test_users_are_limited_each_and_all_together():
    hand = by_hand(limits={"per_user": {"requests": "1/min"}, "global": {"requests": "2/min"}})
    calls = [hand.start(0.0, user=user) for user in (1, 1, 2, 3)]
    assert [c.state for c in calls] == ["performing", "rate_limited", "performing", "rate_limited"]
    assert [NAMES[c.refused_by] for c in calls] == ["", "requests per user", "", "global requests"]


@pytest.mark.parametrize(
    ("algorithm", "times_s", "let_in"),
    [
        ("token-bucket", (0.0, 0.0, 0.0, 30.0), 3), ("fixed-window", (59.0, 59.0, 60.0, 60.0), 4),
        ("sliding-log", (59.0, 59.0, 60.0, 118.9), 2), ("anchored-window", (59.0, 60.0, 118.0, 119.0), 3),
    ],
)  # fmt: skip
def test_by_the_algorithm_of_the_scenario(algorithm, times_s, let_in):
    hand = limited(requests="2/min", algorithm=algorithm)
    assert states(hand, *times_s).count("performing") == let_in


@pytest.mark.parametrize(("who", "name"), [("per_user", "tokens per user"), ("global", "global tokens")])
def test_tokens_are_limited_by_what_is_known_at_admission(who, name):
    hand = limited(who, tokens="100/min", reserve=40)
    first, second = hand.start(0.0, prompt_tokens=30), hand.start(0.0, prompt_tokens=30)
    assert (first.state, second.state, NAMES[second.refused_by]) == ("performing", "rate_limited", name)
    assert tokens_left(hand, "user" if who == "per_user" else "all") == 30.0
    assert hand.start(0.0, prompt_tokens=30, user=1).state == ("performing" if who == "per_user" else "rate_limited")


def test_the_answer_is_not_foreseen():
    """A gateway does not know how long an answer will be: without a reserve, the prompt alone is charged at first."""
    hand = limited(tokens="100/min")
    hand.start(0.0, prompt_tokens=30, answer_tokens=1000)
    assert tokens_left(hand) == 70.0


class TestSettling:
    @pytest.mark.parametrize(("tokens", "remaining"), [(5, 65.0), (40, 30.0), (60, 10.0), (200, -130.0)])
    def test_what_was_used_is_charged_instead_of_what_was_reserved(self, tokens, remaining):
        hand = limited(tokens="100/min", reserve=40)
        hand.answer(hand.start(0.0, prompt_tokens=30), 0.0, tokens=tokens)
        assert tokens_left(hand) == remaining

    def test_an_answer_longer_than_foreseen_keeps_others_out_later(self):
        hand = limited(tokens="100/min")
        hand.answer(hand.start(0.0, prompt_tokens=10), 0.0, tokens=150)
        assert states(hand, 0.0, 30.0, prompt_tokens=10) == ["rate_limited", "rate_limited"]
        assert states(hand, 43.0, prompt_tokens=10) == ["performing"]

    @pytest.mark.parametrize("end", ["error", "abandoned"])
    def test_a_call_without_an_answer_has_used_its_prompt(self, end):
        hand = limited(tokens="100/min", reserve=40)
        c = hand.start(0.0, prompt_tokens=30)
        hand.answer(c, 0.0, status=503) if end == "error" else hand.depart(c, 0.0)
        assert (c.state, tokens_left(hand)) == (end, 70.0)

    def test_an_answer_from_the_cache_has_used_its_prompt(self):
        hand = by_hand(limits={"global": {"tokens": "100/min", "reserve": 40}}, cache=[{"kind": "exact", "ttl": "1m"}])
        hand.answer(hand.start(0.0, prompt=7), 0.0, tokens=10)
        assert hand.start(0.0, prompt=7).state == "cache_hit"
        assert tokens_left(hand) == 100 - (10 + 10) - 10

    def test_history_that_was_sent_along_is_charged(self):
        hand = by_hand(history=(20, 30), limits={"global": {"tokens": "100/min"}})
        c = hand.start(0.0, prompt_tokens=10, history_start=0, history_turns=2)
        assert tokens_left(hand) == 90.0
        hand.answer(c, 0.0, tokens=5)
        assert tokens_left(hand) == 35.0

    def test_both_limits_are_settled_each_with_its_own_reserve(self):
        hand = by_hand(limits={"per_user": {"tokens": "100/min", "reserve": 50}, "global": {"tokens": "100/min", "reserve": 20}})
        c = hand.start(0.0, user=3)
        assert (tokens_left(hand, "user", 3), tokens_left(hand)) == (40.0, 70.0)
        hand.answer(c, 0.0, tokens=5)
        assert (tokens_left(hand, "user", 3), tokens_left(hand)) == (85.0, 85.0)

    def test_a_call_that_the_second_limit_refuses_has_used_its_prompt_at_the_first(self):
        hand = by_hand(limits={"per_user": {"tokens": "100/min", "reserve": 50}, "global": {"requests": "1/min"}})
        hand.start(0.0, user=1)
        assert hand.start(0.0, user=3, prompt_tokens=30).state == "rate_limited"
        assert tokens_left(hand, "user", 3) == 70.0

    def test_a_window_that_is_over_is_not_settled(self):
        hand = limited(tokens="100/min", reserve=60, algorithm="fixed-window")
        first = hand.start(50.0)
        hand.start(60.0)
        hand.answer(first, 61.0)
        assert hand.g.all_tokens[0].level == 70.0


class TestMemory:
    """What a gateway knows of its users is bounded where it says so, however many names its clients invent."""

    @pytest.fixture
    def bounded(self, monkeypatch):
        monkeypatch.setattr(containers, "FORGOTTEN", 10)
        hand = limited("per_user", requests="1/min")
        assert hand.g.user_requests.bounded
        hand.g.user_requests.most = 100
        return hand

    def test_invented_users_do_not_fill_it(self, bounded):
        for user in range(1000):
            assert states(bounded, 0.0, user=user) == ["performing"]
            assert len(bounded.g.user_requests) <= 100

    def test_the_oldest_are_forgotten_and_the_others_are_not(self, bounded):
        for user in range(101):
            bounded.start(0.0, user=user)
        assert [states(bounded, 0.0, user=user) for user in (50, 100, 0)] == [["rate_limited"], ["rate_limited"], ["performing"]]

    def test_a_simulation_remembers_all(self):
        hand = limited("per_user", requests="1/min")
        for user in range(5000):
            hand.start(0.0, user=user)
        assert states(hand, 0.0, user=1) == ["rate_limited"]

    def test_users_may_have_names(self):
        hand = limited("per_user", requests="1/min")
        assert [states(hand, 0.0, user=user) for user in ("ada", "ada", "bob")] == [["performing"], ["rate_limited"], ["performing"]]


def test_without_limits_there_is_no_such_stage():
    assert by_hand().g.rate_limit is None


@pytest.mark.parametrize(("who", "word"), [("per_user", "per_user"), ("global", "global")])
def test_a_limit_that_would_let_nothing_through_is_refused(who, word):
    (finding,) = check(unchecked(gateway={"limits": {who: {"requests": "0.5/s"}}}))
    assert finding.path == ("gateway", "limits", word, "requests")
    assert "1800/h" in finding.hint


def test_a_sliding_log_cannot_limit_tokens():
    (finding,) = check(unchecked(gateway={"limits": {"global": {"tokens": "100/s", "algorithm": "sliding-log"}}}))
    assert finding.path == ("gateway", "limits", "global", "tokens")
