"""Prompt text: exact size, identity that travels, and nothing shared between different prompts."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.workload.prompt_text import SENTENCES, corpus, count_tokens, read_marker, write_filler, write_prompt

PROMPTS = st.integers(-(2**63), 2**63 - 1)


@given(PROMPTS, st.integers(0, 3000), st.integers(0, 10**9 - 1))
def test_a_prompt_has_its_exact_size_and_its_marker_reads_back(prompt, input_tokens, output_tokens):
    text = write_prompt(prompt, input_tokens, output_tokens)
    assert read_marker(text) == (prompt, output_tokens)
    assert count_tokens(text) == input_tokens
    assert len(text) == 4 * input_tokens + len(f"[tf:{prompt}:{output_tokens}]")


def test_the_marker_is_as_documented():
    assert write_prompt(4711, 2, 120).startswith("[tf:4711:120]")


def test_identical_prompts_have_identical_text_in_any_process():
    code = "from sim.workload.prompt_text import write_prompt; print(write_prompt(4711, 50, 120))"
    run = subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": "3"}, capture_output=True, text=True, check=True)
    assert run.stdout.rstrip("\n") == write_prompt(4711, 50, 120)


def test_a_shorter_prompt_is_the_beginning_of_a_longer_one_of_the_same_identity():
    assert write_filler(4711, 5000).startswith(write_filler(4711, 40))
    assert write_filler(4711, 5000)[400:440] in write_filler(4711, 1000)


def test_different_prompts_differ_from_their_first_words():
    openings = [write_filler(prompt, 8) for prompt in range(-20_000, 20_000)]
    assert len(set(openings)) == len(openings)
    # The three words before the number differ too, up to the chance that 40,000 draws of 1.2 million coincide.
    words = {" ".join(opening.split()[:3]) for opening in openings}
    assert len(words) > 0.97 * len(openings)


def test_text_is_plain_english_that_needs_no_escapes():
    text = write_filler(1, 20_000)
    assert text.isascii()
    assert not set(text) & set('"\\\n\t[]{}<>')
    words = text.split()
    assert 4 < np.mean([len(word) for word in words]) < 7
    assert len(set(words)) > 300


def test_text_far_longer_than_the_corpus_is_exact_and_keeps_nothing():
    assert len(write_filler(7, 1_000_000)) == 4_000_000
    assert len(corpus()[0]) < 500_000
    assert len(corpus()[1]) == SENTENCES


UNMARKED = ["", "hello", "[tf:", "[tf:12]", "[tf:1:2", "[tf:a:2]", "[tf:1:-2]", "[tf: 1:2]", f"[tf:{10**20}:1]", f"[tf:{2**63}:1]"]


@pytest.mark.parametrize("text", UNMARKED)
def test_text_without_a_marker_is_read_as_such(text):
    assert read_marker(text) is None


def test_a_marker_is_found_behind_what_a_gateway_put_before_it():
    assert read_marker("Be polite. [tf:x [tf:12:3]rest") == (12, 3)


COUNTED = [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("[tf:1:2]", 0), ("[tf:1:2]abcde", 2), ("[tf:1:2", 2)]


@pytest.mark.parametrize(("text", "tokens"), COUNTED)
def test_tokens_are_quarters_of_the_characters_beside_the_marker(text, tokens):
    assert count_tokens(text) == tokens


@pytest.mark.parametrize(("prompt", "output_tokens"), [(2**63, 1), (-(2**63) - 1, 1), (0, -1), (0, 10**9)])
def test_what_a_marker_cannot_carry_is_refused(prompt, output_tokens):
    with pytest.raises(ValueError, match="cannot mark prompt"):
        write_prompt(prompt, 1, output_tokens)
