"""A provider's prompt cache: which prefix of a prompt was sent to the same model lately?

A prompt is told by its prefixes: pairs (identity, tokens), longest first, cut where a later prompt may go on from. The model makes
identities of conversations and prompt numbers, the mock of hashes of the text; both find the same prefixes shared.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence

from sim.scenario.model import PromptCache

Prefixes = Sequence[tuple[Hashable, int]]
MOST_PREFIXES = 200_000
"""Of one model; beyond, the one unused for longest goes."""


class PrefixCache:
    """Prefixes of one model with the time of their last use, in order of it."""

    __slots__ = ("minimum", "step", "ttl_s", "used_s")

    def __init__(self, config: PromptCache) -> None:
        self.ttl_s = config.ttl
        self.minimum = config.minimum
        self.step = config.step
        self.used_s: OrderedDict[Hashable, float] = OrderedDict()

    def read(self, prefixes: Prefixes, input_tokens: int, now_s: float) -> int:
        """Tokens of the longest prefix that is still there, in whole steps. All prefixes count as used now.

        Prompts below the minimum are neither looked up nor kept.
        """
        if input_tokens < self.minimum:
            return 0
        used_s, since_s = self.used_s, now_s - self.ttl_s
        while used_s and next(iter(used_s.values())) < since_s:
            used_s.popitem(last=False)
        found = 0
        for identity, tokens in prefixes:
            if not found and identity in used_s:
                found = min(tokens, input_tokens)
            used_s[identity] = now_s
            used_s.move_to_end(identity)
        while len(used_s) > MOST_PREFIXES:
            used_s.popitem(last=False)
        return found // self.step * self.step if found >= self.minimum else 0


def conversation_prefixes(
    conversation: int, first_turn: int, turn_tokens: Sequence[int], prompt: int, input_tokens: int
) -> list[tuple[Hashable, int]]:
    """The prefixes of turn ``first_turn + len(turn_tokens)`` of a conversation of which the turns since ``first_turn`` are sent along.

    The whole prompt first, then its history turn by turn. Without history a prompt is known by its number alone, so that users who
    ask the same share it.
    """
    if not turn_tokens:
        return [((-1, prompt), input_tokens)]
    prefixes: list[tuple[Hashable, int]] = [((conversation, prompt), input_tokens)]
    tokens = sum(turn_tokens)
    for turn in range(len(turn_tokens), 0, -1):
        prefixes.append(((conversation, first_turn, turn), tokens))
        tokens -= turn_tokens[turn - 1]
    return prefixes
