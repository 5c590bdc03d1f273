"""Exact caches: identical prompts within their time, the least recently used goes first, and one asks for all that ask the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.gateway.hooks import stale
from sim.gateway.stages.exact_cache import check, drop
from tests.examples import examples
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import JOB, scenario, serve_at, unchecked

OUTAGE = {"kind": "outage", "provider": "a", "at": "0s", "for": "50ms"}
TEN_SECONDS = {"kind": "exact", "ttl": "10s"}
CACHE = {"cache": [TEN_SECONDS]}


def cached(**settings):
    return by_hand(cache=[TEN_SECONDS | settings])


def ask(hand, prompt, at_s, **fields):
    """One request that is answered at once if it must be asked: ``ok`` or ``cache_hit``."""
    c = hand.start(at_s, prompt=prompt, **fields)
    return hand.answer(c, at_s).state if c.state == "performing" else c.state


def recency(hand, cache=0):
    """Prompts with an answer, the least recently used first."""
    line, found = hand.g.caches[cache].recency, []
    key = line.first
    while len(found) < line.length:
        found.append(key)
        key = hand.g.prompts[key].after
    return found


def test_an_answer_is_fresh_until_its_time_and_stale_after():
    hand = cached()
    assert ask(hand, 1, 5.0) == "ok"
    assert ask(hand, 1, 14.999) == "cache_hit"
    assert hand.g.prompts[1].kept
    c = hand.start(15.0, prompt=1)
    assert c.state == "performing"
    assert stale(hand.g, c, 15.0)
    assert not stale(hand.g, hand.start(15.0, prompt=2), 15.0)


def test_its_time_starts_when_it_is_there():
    hand = cached()
    hand.answer(hand.start(0.0, prompt=1), 4.0)
    assert ask(hand, 1, 13.999) == "cache_hit"
    assert ask(hand, 1, 14.0) == "ok"


def test_a_sliding_time_to_live_begins_anew_with_each_hit_and_with_nothing_else():
    hand = cached(sliding=True)
    assert [ask(hand, 1, at_s) for at_s in (0.0, 9.0, 18.999)] == ["ok", "cache_hit", "cache_hit"]
    c = hand.start(28.999, prompt=1)
    assert c.state == "performing"
    assert stale(hand.g, c, 28.999)
    hand.answer(c, 29.0, status=503)
    assert hand.start(29.0, prompt=1).state == "performing", "looking at a stale answer does not freshen it"


def test_without_sliding_a_hit_does_not_lengthen_its_time():
    hand = cached()
    assert [ask(hand, 1, at_s) for at_s in (0.0, 9.0, 10.0)] == ["ok", "cache_hit", "ok"]


def test_the_least_recently_used_goes_first():
    hand = cached(capacity=2)
    for prompt, at_s in ((1, 0.0), (2, 0.0), (1, 1.0), (3, 2.0)):
        ask(hand, prompt, at_s)
    assert recency(hand) == [1, 3]
    assert ask(hand, 1, 3.0) == "cache_hit"
    assert ask(hand, 2, 3.0) == "ok"


def test_an_answer_given_instead_of_a_failure_counts_as_a_use_while_it_is_fresh():
    hand = cached(capacity=2)
    early = hand.start(0.0, prompt=1)
    hand.answer(early, 0.0)
    ask(hand, 2, 1.0)
    assert stale(hand.g, early, 2.0)
    assert recency(hand) == [2, 1]
    assert stale(hand.g, early, 20.0)
    assert stale(hand.g, hand.start(20.0, prompt=2), 20.0)
    assert recency(hand) == [2, 1]


def test_a_failure_is_not_kept():
    hand = cached()
    hand.answer(hand.start(0.0, prompt=1), 1.0, status=503)
    assert hand.start(2.0, prompt=1).state == "performing"


def test_prompts_that_are_neither_kept_nor_asked_are_forgotten():
    hand = cached(capacity=1)
    hand.answer(hand.start(0.0, prompt=1), 1.0, status=503)
    hand.depart(hand.start(2.0, prompt=2), 3.0)
    assert not hand.g.prompts
    ask(hand, 3, 4.0)
    ask(hand, 4, 5.0)
    assert list(hand.g.prompts) == [4]


def test_one_asks_for_all_that_ask_the_same():
    hand = cached()
    leader, second, third = (hand.start(at_s, prompt=7) for at_s in (0.0, 0.25, 0.5))
    assert [c.state for c in (leader, second, third)] == ["performing", "waiting", "waiting"]
    hand.answer(leader, 1.0)
    assert [c.state for c in (leader, second, third)] == ["ok", "cache_hit", "cache_hit"]
    assert [c.coalesced_s for c in (leader, second, third)] == [0.0, 0.75, 0.5]


@pytest.mark.parametrize("end", ["fails", "leaves"])
def test_when_the_leader_has_no_answer_the_first_follower_asks(end):
    hand = cached()
    leader, second, third = (hand.start(0.0, prompt=7) for _ in range(3))
    if end == "fails":
        hand.answer(leader, 1.0, status=503)
    else:
        hand.depart(leader, 1.0)
    assert [c.state for c in (second, third)] == ["performing", "waiting"]
    hand.answer(second, 3.0)
    assert (third.state, third.coalesced_s) == ("cache_hit", 3.0)


def test_a_follower_that_leaves_leaves_no_hole():
    hand = cached()
    leader, second, third = (hand.start(0.0, prompt=7) for _ in range(3))
    hand.depart(second, 0.5)
    hand.answer(leader, 1.0)
    assert (second.state, third.state) == ("abandoned", "cache_hit")


def test_a_follower_waits_no_longer_than_its_deadline():
    hand = by_hand(timeout={"total": "2s"}, **CACHE)
    hand.start(0.0, prompt=7)
    follower = hand.start(1.0, prompt=7)
    hand.time_comes(follower)
    assert (follower.state, follower.latency_s, follower.coalesced_s) == ("timeout", 2.0, 2.0)


def test_an_answer_that_comes_at_the_followers_deadline_comes_too_late():
    hand = by_hand(timeout={"total": "2s"}, sessions={}, **CACHE)
    follower = hand.start(0.0, prompt=7, lookup_s=1.5)
    leader = hand.start(1.0, prompt=7)
    hand.time_comes(follower)
    hand.answer(leader, 2.0)
    assert (leader.state, follower.state, follower.coalesced_s) == ("ok", "timeout", 0.5)


def test_without_single_flight_each_asks():
    hand = cached(single_flight=False)
    calls = [hand.start(0.0, prompt=7) for _ in range(3)]
    assert [c.state for c in calls] == ["performing"] * 3
    for c in reversed(calls):
        hand.answer(c, 1.0)
    assert ask(hand, 7, 2.0) == "cache_hit"
    assert recency(hand) == [7]


def test_a_prompt_with_history_is_never_taken_from_the_cache():
    served = serve_at(scenario(gateway=CACHE), [0.0, 5.0], prompts=[7, 7], history=[100])
    assert served.outcomes == ["ok", "ok"]


def test_an_entry_may_be_given_up_before_its_time():
    hand = cached()
    for prompt in (1, 2, 3):
        ask(hand, prompt, 0.0)
    drop(hand.g, 2, 0)
    drop(hand.g, 9, 0)
    assert recency(hand) == [1, 3]
    assert list(hand.g.prompts) == [1, 3]


class TestSeveral:
    """Each request class is served by the first cache that says so."""

    CLASSES = tuple(JOB | {"name": name, "share": 0.25} for name in ("faq", "chat", "code", "rest"))

    def hand(self):
        caches = [TEN_SECONDS | {"classes": ["code", "faq"], "capacity": 2}, TEN_SECONDS | {"classes": ["faq", "chat"], "ttl": "1h"}]
        return by_hand(cache=caches, changes={"requests": list(self.CLASSES)})

    def test_the_first_that_serves_the_class(self):
        hand = self.hand()
        assert [hand.g.cache_of_class[kind].cache for kind in range(4)] == [0, 1, 0, -1]

    def test_each_has_its_own_time_and_room(self):
        hand = self.hand()
        for kind, prompt in ((0, 1), (1, 2), (1, 3), (1, 4)):
            assert ask(hand, prompt, 0.0, kind=kind) == "ok"
        assert (recency(hand, 0), recency(hand, 1)) == ([1], [2, 3, 4])
        assert (ask(hand, 1, 60.0, kind=0), ask(hand, 2, 60.0, kind=1)) == ("ok", "cache_hit")

    def test_a_class_that_none_serves_is_always_asked(self):
        hand = self.hand()
        assert [ask(hand, 5, at_s, kind=3) for at_s in (0.0, 1.0)] == ["ok", "ok"]
        c = hand.start(2.0, prompt=5, kind=3)
        assert not stale(hand.g, c, 2.0)

    def test_without_classes_a_cache_serves_all_that_none_before_it_serves(self):
        caches = [TEN_SECONDS | {"classes": ["chat"]}, TEN_SECONDS]
        hand = by_hand(cache=caches, changes={"requests": list(self.CLASSES)})
        assert [hand.g.cache_of_class[kind].cache for kind in range(4)] == [1, 0, 1, 1]

    def test_a_prompt_that_two_classes_ask_belongs_to_the_cache_that_kept_it_last(self):
        """A client of a real gateway may send one prompt under two classes."""
        hand = self.hand()
        assert [ask(hand, 1, 0.0, kind=0), ask(hand, 2, 0.0, kind=0), ask(hand, 1, 1.0, kind=1)] == ["ok", "ok", "ok"]
        assert (recency(hand, 0), recency(hand, 1)) == ([2], [1])
        assert (ask(hand, 1, 2.0, kind=1), ask(hand, 1, 3.0, kind=0)) == ("cache_hit", "ok")
        assert (recency(hand, 0), recency(hand, 1)) == ([2, 1], [])

    def test_a_class_that_does_not_exist_is_refused(self):
        made = unchecked(gateway={"cache": [TEN_SECONDS, TEN_SECONDS | {"classes": ["job", "jop"]}]})
        (finding,) = (each for each in check(made) if not each.warning)
        assert finding.path == ("gateway", "cache", 1, "classes", 1)
        assert "'jop'" in finding.message
        assert "job" in finding.hint
        known = scenario(gateway={"cache": [TEN_SECONDS | {"classes": ["job"]}]})
        assert [each for each in check(known) if not each.warning] == []


class TestInTime:
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
        served = serve_at(scenario(gateway={"cache": [TEN_SECONDS | {"single_flight": False}]}), [0.0, 0.25, 0.5], prompts=[7, 7, 7])
        assert len(served.attempts) == 3

    def test_when_the_first_one_fails_the_next_one_asks(self):
        served = serve_at(scenario(gateway=CACHE, faults=[OUTAGE]), [0.0, 0.06], prompts=[7, 7])
        assert served.outcomes == ["error", "ok"]
        assert served.latencies_s == [0.1, pytest.approx(1.04)]


@settings(max_examples=examples(100), deadline=None)
@given(
    st.integers(1, 3), st.booleans(), st.booleans(),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0.0, 1.0, 4.0, 9.0, 10.0])), max_size=60),
)  # fmt: skip
def test_it_does_what_a_dict_in_order_of_use_does(capacity, sliding, single_flight, visits):
    hand, model, now_s = cached(capacity=capacity, sliding=sliding, single_flight=single_flight), {}, 0.0
    for prompt, after_s in visits:
        now_s += after_s
        hit = now_s < model.get(prompt, 0.0)
        assert ask(hand, prompt, now_s) == ("cache_hit" if hit else "ok")
        expires_s = model.pop(prompt, 0.0)
        model[prompt] = expires_s if hit and not sliding else now_s + 10.0
        if len(model) > capacity:
            del model[next(iter(model))]
        assert recency(hand) == list(model)
        assert {key: each.expires_s for key, each in hand.g.prompts.items()} == model
