"""Real embeddings of the workload's texts say what the model's law says of them, and the gateway answers by them."""

from __future__ import annotations

import asyncio
from math import sqrt

import numpy as np
import pytest

from loadtest.gateway.embeddings import DIMENSIONS, shingles
from sim.workload.prompt_text import write_on_topic, write_prompt
from tests.loadtest.gateway.fakes import fine, gateway, scenario

SEMANTIC = {"cache": [{"kind": "semantic", "ttl": "5m", "threshold": 0.8, "capacity": 2}]}


def test_the_cosine_of_two_texts_is_that_of_the_law() -> None:
    rng = np.random.default_rng(3)
    errors = []
    for entity in range(60):
        first, second = rng.integers(50, 500, 2).tolist()
        common = [int(tokens * rng.uniform(0.6, 1.0)) for tokens in (first, second)]
        texts = [write_on_topic(7, common[0], entity, first), write_on_topic(7, common[1], 1000 + entity, second)]
        errors.append(float(shingles(texts[0]) @ shingles(texts[1])) - min(common) / sqrt(first * second))
    assert np.abs(errors).max() < 0.08
    assert np.sqrt(np.mean(np.square(errors))) < 0.025


def test_texts_of_different_topics_have_next_to_nothing_in_common() -> None:
    vectors = np.stack([shingles(write_on_topic(topic, 250, topic, 300)) for topic in range(40)])
    cosines = (vectors @ vectors.T)[np.triu_indices(40, 1)]
    assert abs(cosines).max() < 0.2


def test_any_text_has_a_vector_of_length_one() -> None:
    for text in ("", "a", "größer als ein Wort", "x" * 10_000):
        assert shingles(text).shape == (DIMENSIONS,)
        assert float(np.linalg.norm(shingles(text))) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.sockets
def test_a_similar_prompt_gets_the_kept_answer_and_another_one_does_not() -> None:
    async def run() -> None:
        async with gateway(scenario(SEMANTIC), fine) as front:
            await front.ask(write_prompt(1, 100, 3, topic=5, common_tokens=95))
            _, headers, body = await front.ask(write_prompt(2, 100, 3, topic=5, common_tokens=92))
            assert headers["x-tenfold-outcome"] == "cache_hit"
            assert b"wordwordword" in body
            _, headers, _ = await front.ask(write_prompt(3, 100, 3, topic=6, common_tokens=95))
            assert headers["x-tenfold-outcome"] == "ok"
            _, headers, _ = await front.ask(write_prompt(4, 100, 3, topic=7, common_tokens=95))  # the third answer: the first goes
            _, headers, _ = await front.ask(write_prompt(2, 100, 3, topic=5, common_tokens=92))
            assert headers["x-tenfold-outcome"] == "ok"
            assert len(front.providers[0].asked) == 4

    asyncio.run(run())


@pytest.mark.sockets
def test_all_layers_replay_what_they_keep() -> None:
    cache = [{"kind": "cdn", "ttl": "5m"}, {"kind": "exact", "ttl": "5m"}, {"kind": "semantic", "ttl": "5m"}]

    async def run() -> None:
        async with gateway(scenario({"cache": cache}), fine) as front:
            text = write_prompt(1, 50, 3)
            for outcome in ("ok", "cache_hit"):
                _, headers, body = await front.ask(text)
                assert headers["x-tenfold-outcome"] == outcome
                assert b"wordwordword" in body

    asyncio.run(run())
