"""What happens at a gateway besides requests and belongs in events.jsonl: its kinds, by code, and the names of their values."""

from __future__ import annotations

import zlib

KINDS: dict[int, tuple[str, tuple[str, ...]]] = {}


def event(name: str, values: tuple[str, ...]) -> int:
    """The code of a kind of event, from its name alone. ``values``: what it can come to, such as the states of a breaker.

    Raises ValueError where two kinds have the same code.
    """
    code = 1 + zlib.crc32(name.encode()) % 32_749
    if KINDS.setdefault(code, (name, values))[0] != name:
        raise ValueError(f"the events {name!r} and {KINDS[code][0]!r} have the same code: call one of them otherwise")
    return code
