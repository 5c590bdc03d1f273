"""Semantic caches: the most similar prompt's answer from a threshold on, by the stated law of what prompts of a topic have in common."""

from __future__ import annotations

from math import sqrt

import pytest

from sim.analysis.metrics import measure
from sim.engine.runner import predict
from sim.gateway.language import load
from sim.gateway.stages.freshness import SEMANTIC
from sim.gateway.stages.semantic_cache import tokens_in_common
from sim.kernel.random import uniform_of
from sim.scenario.shipped import find_shipped
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import JOB

CATALOG = JOB | {"prompts": {"catalog": 12, "topics": 3, "common": 0.5}}


def cached(catalog=CATALOG, **settings):
    return by_hand(cache=[{"kind": "semantic", "ttl": "60s", **settings}], changes={"requests": [catalog]})


def ask(hand, prompt, at_s, **fields):
    c = hand.start(at_s, prompt=prompt, **fields)
    if c.state == "performing":
        hand.answer(c, at_s)
    return c


def common(hand, prompt, tokens):
    return int(tokens * (0.5 + 0.5 * uniform_of(hand.g.semantic_cache.topic_root, prompt)))


def test_similarity_is_the_common_beginning_over_the_geometric_mean_of_the_lengths():
    hand = cached(threshold=0.1)
    ask(hand, 1, 0.0, prompt_tokens=100)
    c = ask(hand, 4, 1.0, prompt_tokens=150)  # 1, 4, 7, 10 are of one topic
    shared = min(common(hand, 1, 100), common(hand, 4, 150))
    assert (c.state, c.answered_by, c.cache_layer) == ("cache_hit", 1, SEMANTIC)
    assert c.similarity == pytest.approx(shared / sqrt(100 * 150))
    assert tokens_in_common(hand.g.semantic_cache.topic_root, 0.5, 1, 100) == common(hand, 1, 100)


def test_prompts_of_other_topics_and_outside_the_catalog_are_like_themselves_alone():
    hand = cached(threshold=0.01)
    ask(hand, 1, 0.0)
    assert [ask(hand, prompt, 1.0).state for prompt in (2, 3, 99)] == ["ok", "ok", "ok"]
    again = ask(hand, 99, 2.0)
    assert (again.state, again.similarity, again.wrong_answer) == ("cache_hit", 1.0, False)


def test_the_most_similar_one_answers():
    hand = cached(threshold=0.1)
    lengths = {1: 100, 4: 40, 7: 90}
    for c in [hand.start(0.0, prompt=prompt, prompt_tokens=tokens) for prompt, tokens in lengths.items()]:
        hand.answer(c, 0.5)  # asked at once: none finds another
    c = ask(hand, 10, 1.0, prompt_tokens=95)
    own = common(hand, 10, 95)
    cosines = {prompt: min(own, common(hand, prompt, n)) / sqrt(95 * n) for prompt, n in lengths.items()}
    assert c.answered_by == max(cosines, key=cosines.__getitem__)


def test_below_the_threshold_a_provider_is_asked():
    hand = cached(threshold=1.0)
    ask(hand, 1, 0.0, prompt_tokens=100)
    assert ask(hand, 4, 1.0, prompt_tokens=100).state == "ok"


def test_the_oldest_answer_goes_where_there_is_no_room_and_an_old_one_is_not_fresh():
    hand = cached(capacity=2)
    for at_s, prompt in enumerate((100, 101, 102)):
        ask(hand, prompt, float(at_s))
    assert [ask(hand, prompt, 3.0).state for prompt in (102, 101)] == ["cache_hit", "cache_hit"]
    assert hand.start(3.0, prompt=100).state == "performing"
    assert hand.start(62.0, prompt=102).state == "performing"


def test_an_embedding_takes_its_time_and_is_paid_whether_it_helps_or_not():
    hand = cached(embedding={"time": "30ms", "price": 0.02})
    c = hand.start(0.0, prompt=1, prompt_tokens=500)
    assert c.state == "waiting"
    hand.time_comes(c)
    hand.answer(c, 1.03)
    attempt_usd = 500 * 1e-6 + 5 * 2e-6
    assert (c.embedding_s, c.embedding_usd) == (pytest.approx(0.03), pytest.approx(500 * 0.02e-6))
    assert c.cost_usd == pytest.approx(attempt_usd + 500 * 0.02e-6)
    hit = hand.time_comes(hand.start(2.0, prompt=1, prompt_tokens=500))
    assert (hit.state, hit.latency_s, hit.cost_usd) == ("cache_hit", pytest.approx(0.03), pytest.approx(1e-5))


def test_wrong_answers_come_in_proportion_to_the_distance():
    hand = cached(JOB | {"prompts": {"catalog": 4000, "topics": 1, "common": 0.6}}, threshold=0.5, wrong="40%")
    ask(hand, 0, 0.0, prompt_tokens=1000)
    hits = [ask(hand, prompt, 1.0, prompt_tokens=1000) for prompt in range(1, 4000)]
    hits = [c for c in hits if c.state == "cache_hit"]
    expected = sum(0.4 * (1.0 - c.similarity) / 0.2 for c in hits)
    assert len(hits) > 3000
    assert sum(c.wrong_answer for c in hits) == pytest.approx(expected, rel=0.1)


def test_nothing_is_remembered_of_prompts_that_are_not_kept():
    hand = cached(capacity=1)
    for prompt in range(100, 130):
        hand.depart(hand.start(0.0, prompt=prompt), 0.5)
        ask(hand, prompt + 1000, 1.0)
    assert len(hand.g.similar) == 1


def test_its_figures_can_be_measured_and_budgeted():
    changes = [
        "gateway.cache=[{kind: semantic, ttl: 5m, threshold: 0.7, wrong: 0.2, embedding: {time: 20ms, price: 0.02}}]",
        "gateway.fallback=[next-provider, canned]", "workload.requests.0.prompts={catalog: 1000, topics: 50, common: 0.6}",
        "workload.duration=4m",
        "budgets=[semantic_hit_rate > 5%, wrong_answer_rate < 1%]",
    ]  # fmt: skip
    run = predict(load(find_shipped("demo"), changes).scenario, replications=1)
    assert 0.05 < measure(run, "semantic_hit_rate").value < 0.9
    assert 0.0 < measure(run, "wrong_answer_rate").value < measure(run, "semantic_hit_rate").value
    assert measure(run, "answer_age_s").value > 1.0
    assert measure(run, "embedding_usd").value > 0.0
    assert measure(run, "cdn_hit_rate").value == 0.0
