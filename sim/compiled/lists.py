"""Linked lists in arrays: lines of waiting lives, and keys from the least to the most recently used."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.compiled.kernel import inlined

NOBODY = -1


# ---- lives, each in one list at most: an admission line, or those who wait for the answer to an identical prompt
@inlined
def join(e: Any, number: int, slot: int) -> None:
    """To the end of list ``number``."""
    life = e.lives[slot]
    last = e.tails[number]
    life.list = number
    life.before = last
    life.after = NOBODY
    if last == NOBODY:
        e.heads[number] = slot
    else:
        e.lives[last].after = slot
    e.tails[number] = slot


@inlined
def quit_list(e: Any, slot: int) -> None:
    """Out of the list the life is in."""
    life = e.lives[slot]
    number = life.list
    if life.before == NOBODY:
        e.heads[number] = life.after
    else:
        e.lives[life.before].after = life.after
    if life.after == NOBODY:
        e.tails[number] = life.before
    else:
        e.lives[life.after].before = life.before
    life.list = NOBODY


# ---- keys 0 … n - 1, and n as both ends of the ring; after[key] == NOBODY: not in it
@inlined
def touch(before: np.ndarray, after: np.ndarray, key: int) -> bool:
    """Make the key the most recently used one. True if it is new."""
    new = after[key] == NOBODY
    if not new:
        after[before[key]], before[after[key]] = after[key], before[key]
    end = len(after) - 1
    last = before[end]
    after[last], before[key] = key, last
    after[key], before[end] = end, key
    return new


@inlined
def drop_oldest(before: np.ndarray, after: np.ndarray) -> int:
    """Remove the least recently used key and return it."""
    end = len(after) - 1
    key = after[end]
    after[end], before[after[key]] = after[key], end
    after[key] = NOBODY
    return key


def ring(keys: int) -> tuple[np.ndarray, np.ndarray]:
    """(before, after) with no key in it."""
    before, after = np.full(keys + 1, NOBODY, np.int32), np.full(keys + 1, NOBODY, np.int32)
    before[keys] = after[keys] = keys
    return before, after
