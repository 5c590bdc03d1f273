"""What a mock model says: the prompts' English-like corpus in tokens of exactly four characters, from a place of its own."""

from __future__ import annotations

import re

from sim.workload.prompt_text import CHARACTERS_PER_TOKEN, corpus

BOOK = corpus()[0].encode()
BOOK = BOOK[: len(BOOK) // CHARACTERS_PER_TOKEN * CHARACTERS_PER_TOKEN]
"""ASCII without a character that JSON would escape, cut to whole tokens."""
TOKENS = tuple(BOOK[i : i + CHARACTERS_PER_TOKEN] for i in range(0, len(BOOK), CHARACTERS_PER_TOKEN))


VERSION = re.compile(r"v(\d{3})")


def version_token(version: int) -> bytes:
    """The version of the content that an answer rests on, as its first token. The corpus has no digits."""
    return b"v%03d" % (version % 1000)


def version_in(text: str) -> int:
    """What an answer says of its content's version; -1: nothing."""
    found = VERSION.match(text)
    return int(found[1]) if found else -1


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
