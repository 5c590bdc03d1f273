"""What happens at a gateway besides requests and belongs in events.jsonl: its kinds, by code, and the names of their values."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

KINDS: dict[int, tuple[str, tuple[str, ...], str]] = {}


def event(name: str, values: tuple[str, ...], subject: str = "target") -> int:
    """The code of a kind of event, from its name alone. ``values``: what it can come to, such as the states of a breaker. ``subject``: what
    it is about, a target or a number of something.

    Raises ValueError where two kinds have the same code.
    """
    code = 1 + zlib.crc32(name.encode()) % 32_749
    if KINDS.setdefault(code, (name, values, subject))[0] != name:
        raise ValueError(f"the events {name!r} and {KINDS[code][0]!r} have the same code: call one of them otherwise")
    return code


def described(at_s: float, replication: int, kind: int, subject: int, value: int, targets: Sequence[str]) -> dict[str, Any]:
    """An event as in events.jsonl."""
    name, values, about = KINDS[kind]
    what = {about: targets[subject] if about == "target" else subject, "state": values[value]}
    return {"at_s": at_s, "replication": replication, "event": name, **what}
