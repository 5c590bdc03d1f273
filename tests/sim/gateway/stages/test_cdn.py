"""A CDN: each point of presence answers what it has answered before, ahead of every limit, until its time or until it is told."""

from __future__ import annotations

from math import exp

import pytest

from sim.gateway.stages.freshness import CDN, changed
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import JOB, scenario

CATALOG = JOB | {"prompts": {"catalog": 10, "changes": "100s"}}


def edge(**settings):
    return by_hand(cache=[{"kind": "cdn", "ttl": "60s", **settings}], changes={"requests": [CATALOG]})


def ask(hand, at_s, **fields):
    c = hand.start(at_s, prompt=1, **fields)
    return hand.answer(c, at_s).state if c.state == "performing" else c.state


def test_each_point_of_presence_has_answers_of_its_own():
    hand = edge(points=2)
    assert [ask(hand, at_s, user=user) for at_s, user in ((0.0, 0), (1.0, 1), (2.0, 2), (3.0, 3))] == ["ok", "ok", "cache_hit", "cache_hit"]


def test_an_answer_is_fresh_for_its_time_and_its_age_is_told():
    hand = edge()
    ask(hand, 0.0)
    c = hand.start(59.9, prompt=1)
    assert (c.state, c.cache_layer, c.answer_age_s) == ("cache_hit", CDN, pytest.approx(59.9))
    assert ask(hand, 60.0) == "ok"


def test_an_answer_takes_its_time_to_the_client_and_none_of_the_gateway():
    hand = by_hand(
        cache=[{"kind": "cdn", "ttl": "60s", "hit": "20ms"}], limits={"global": {"requests": "1/h"}}, changes={"requests": [CATALOG]}
    )
    assert ask(hand, 0.0) == "ok"
    c = hand.start(1.0, prompt=1)
    assert c.state == "waiting"
    hand.time_comes(c)
    assert (c.state, c.latency_s, c.edge_s) == ("cache_hit", pytest.approx(0.02), pytest.approx(0.02))
    assert hand.start(2.0, prompt=2).state == "rate_limited"


def test_what_brings_history_passes():
    hand = by_hand((30,), cache=[{"kind": "cdn", "ttl": "60s"}], changes={"requests": [CATALOG]})
    assert ask(hand, 0.0) == "ok"
    assert hand.start(1.0, prompt=1, history_start=0, history_turns=1).state == "performing"


def change_of(hand, prompt):
    """When the content behind a prompt changes for the first time."""
    low, high = 10.0, next(at_s for at_s in range(10, 10_000) if changed(hand.g, 0, prompt, 10.0, float(at_s)))
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if changed(hand.g, 0, prompt, 10.0, middle) else (middle, high)
    return high


def test_contents_change_at_the_times_of_a_poisson_process():
    hand = edge()
    still = [not changed(hand.g, 0, prompt, 37.0, 97.0) for prompt in range(4000)]
    assert sum(still) / 4000 == pytest.approx(exp(-0.6), abs=0.03)
    assert not changed(hand.g, 0, 1, 5.0, 5.0)


def test_an_answer_whose_content_has_changed_is_outdated():
    hand = edge()
    at_s = change_of(hand, 1)
    assert ask(hand, at_s - 0.1) == "ok"
    before, after = hand.start(at_s - 0.001, prompt=1), hand.start(at_s + 0.001, prompt=1)
    assert (before.state, before.outdated, after.state, after.outdated) == ("cache_hit", False, "cache_hit", True)


def test_a_purge_comes_with_the_notice_of_a_change():
    hand = edge(invalidation="version", notice="2s")
    at_s = change_of(hand, 1)
    ask(hand, at_s - 0.1)
    late = hand.start(at_s + 1.999, prompt=1)
    assert (late.state, late.outdated) == ("cache_hit", True)
    assert hand.start(at_s + 2.001, prompt=1).state == "performing"


def test_points_beyond_a_hundred_are_refused():
    with pytest.raises(ValueError, match="100"):
        scenario(gateway={"cache": [{"kind": "cdn", "ttl": "1s", "points": 101}]})
