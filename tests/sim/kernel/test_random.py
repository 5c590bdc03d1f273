"""Draws where stages need them are those of the random streams."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim.kernel.random import node_below, root_of, uniform_below, uniform_of
from sim.stochastics.random_streams import uniform, uniforms

SEEDS, WORDS = st.integers(0, 2**63 - 1), st.integers(0, 2**40)


@given(SEEDS, st.integers(1, 200), WORDS, WORDS)
def test_they_are_those_of_the_same_seed_purpose_and_words(seed, purpose, first, second):
    root = root_of(seed, purpose)
    assert -(2**63) <= root < 2**63
    assert -(2**63) <= node_below(root, first) < 2**63
    assert uniform_of(root, first) == uniform(seed, purpose, first) == uniforms(seed, purpose, [first])[0]
    assert uniform_below(root, first, second) == uniform(seed, purpose, first, second)


@given(SEEDS, WORDS)
def test_they_are_above_zero_and_below_one(seed, word):
    assert 0.0 < uniform_of(root_of(seed, 61), word) < 1.0
