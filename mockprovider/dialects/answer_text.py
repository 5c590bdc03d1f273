"""What a mock model says: the prompts' English-like corpus in tokens of exactly four characters, from a place of its own."""

from __future__ import annotations

from sim.workload.prompt_text import CHARACTERS_PER_TOKEN, corpus

BOOK = corpus()[0].encode()
BOOK = BOOK[: len(BOOK) // CHARACTERS_PER_TOKEN * CHARACTERS_PER_TOKEN]
"""ASCII without a character that JSON would escape, cut to whole tokens."""
TOKENS = tuple(BOOK[i : i + CHARACTERS_PER_TOKEN] for i in range(0, len(BOOK), CHARACTERS_PER_TOKEN))


def token(start: int, k: int) -> bytes:
    """The k-th token of the text that starts at ``start``."""
    return TOKENS[(start + k) % len(TOKENS)]


def passage(start: int, tokens: int) -> bytes:
    """``tokens`` tokens from ``start`` on, at once: the concatenation of ``token(start, k)``."""
    begin = start % len(TOKENS) * CHARACTERS_PER_TOKEN
    length = tokens * CHARACTERS_PER_TOKEN
    text = BOOK[begin : begin + length]
    while len(text) < length:
        text += BOOK[: length - len(text)]
    return text
