"""Which prefix of a prompt a provider still has."""

from __future__ import annotations

from typing import Any

import pytest

from sim.provider import prompt_cache
from sim.provider.prompt_cache import read_history, read_prefixes
from tests.sim.provider.calls import Call, Clock, scenario

HISTORY = (900, 800, 600)


class Cache:
    def __init__(self, **config: Any) -> None:
        self.p = Clock(scenario(prompt_cache=config), HISTORY).p
        self.model = self.p.models[0]

    def read(self, now_s: float, prompt: int, turn: int, own: int = 500, summary: int | None = None, conversation: int = 7) -> int:
        """Cached tokens of a turn that sends all its history, or a summary of so many tokens instead."""
        sent = own + (sum(HISTORY[:turn]) if summary is None else summary)
        c = Call(prompt=prompt, prompt_tokens=own, input_tokens=sent, conversation=conversation, turn=turn, history_turns=turn)
        return read_history(self.p, c, self.model, now_s)


def test_a_follow_up_reads_its_history_until_the_ttl() -> None:
    cache = Cache()
    assert cache.read(0.0, 101, 1) == 0
    assert cache.read(10.0, 102, 2) == 0, "900 shared tokens are below the minimum"
    assert cache.read(20.0, 102, 2) == 2176, "the same prompt again, in steps of 128"
    assert cache.read(30.0, 103, 3) == 1664, "1700 shared tokens"
    assert cache.read(331.0, 103, 3) == 0, "all used at 30 s or before"
    assert cache.read(332.0, 104, 2, conversation=8) == 0, "another conversation"


def test_without_history_all_users_share_a_prompt() -> None:
    cache = Cache(minimum=100, step=1)
    assert cache.read(0.0, 5, 0, conversation=1) == 0
    assert cache.read(1.0, 5, 0, conversation=2) == 500
    assert cache.read(2.0, 6, 0, conversation=2) == 0


def test_turns_left_out_are_a_summary_before_the_newest_ones() -> None:
    cache = Cache(minimum=100, step=1)
    assert cache.read(0.0, 1, 3, summary=650) == 0, "the last turn, and 50 tokens about the others"
    assert cache.read(1.0, 2, 3, summary=650) == 650
    assert cache.read(2.0, 3, 3, summary=500) == 0, "none of the turns fits: another prefix"


def test_the_summary_is_a_prefix_of_its_own() -> None:
    cache = Cache(minimum=40, step=1)
    cache.read(0.0, 1, 3, own=500, summary=650)
    assert len(cache.p.places) == 3, "the whole prompt, the last turn with the summary, and the summary alone"


def test_short_prompts_are_neither_looked_up_nor_kept() -> None:
    cache = Cache(minimum=501)
    assert [cache.read(now_s, 1, 0) for now_s in (0.0, 1.0)] == [0, 0]
    assert not cache.p.places


def test_the_prefixes_unused_for_longest_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_cache, "MOST_PREFIXES", 2)
    cache = Cache(minimum=1, step=1)
    assert [cache.read(0.0, prompt, 0) for prompt in (1, 2, 1, 3, 1, 2)] == [0, 0, 500, 0, 500, 0]
    assert len(cache.p.places) == cache.model.prefixes.length == 2
    assert max(cache.p.prefixes) == 2, "places are used again"


def test_prefixes_known_by_their_text_are_found_alike() -> None:
    cache = Cache(minimum=100, step=10)
    assert read_prefixes(cache.p, 0, cache.model, [("abc", 300), ("ab", 200), ("a", 90)], 300, 0.0) == 0
    assert read_prefixes(cache.p, 0, cache.model, [("abd", 305), ("ab", 205), ("a", 90)], 305, 1.0) == 200
    assert read_prefixes(cache.p, 0, cache.model, [("x", 305), ("a", 90)], 305, 2.0) == 0, "below the minimum"
