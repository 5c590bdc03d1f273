"""64-bit hashes of text columns, a machine word of all rows at a time. They tell texts apart within one import, and are kept nowhere."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

WORD = 8
LONGEST = 256
"""Bytes; what is longer is rare in a block of a given size, and hashed by itself."""
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
"""Multipliers of SplitMix64's finaliser (Steele, Lea, Flood 2014)."""


def hashes_of(column: pa.StringArray) -> np.ndarray:
    """uint64 of every row, odd where there is a text and 0 for null. Equal texts have equal hashes, in whichever block they stand."""
    count = len(column)
    if not count or column.null_count == count:
        return np.zeros(count, np.uint64)
    _, ends, data = column.buffers()
    edge = np.frombuffer(ends, np.int32)[column.offset : column.offset + count + 1].astype(np.int64)
    begin, length = edge[:-1], np.diff(edge)
    raw = np.zeros(int(edge[-1]) + WORD, np.uint8)
    if data is not None:
        raw[: edge[-1]] = np.frombuffer(data, np.uint8)[: edge[-1]]
    at_byte = np.ndarray((int(edge[-1]) + 1,), "<u8", raw.data, 0, (1,))  # the word from each byte on
    found = mixed(length.astype(np.uint64))
    rows = np.flatnonzero(length <= LONGEST)
    for start in range(0, LONGEST, WORD):
        rows = rows[length[rows] > start]
        if not len(rows):
            break
        left = np.minimum(length[rows] - start, WORD).astype(np.uint64)
        word = at_byte[begin[rows] + start] & (np.uint64(0xFFFFFFFFFFFFFFFF) >> (np.uint64(64) - np.uint64(8) * left))
        step = (found[rows] ^ word) * FIRST
        found[rows] = step ^ (step >> np.uint64(32))
    for row in np.flatnonzero(length > LONGEST).tolist():
        text = raw[begin[row] : edge[row + 1]].tobytes()
        found[row] = int.from_bytes(hashlib.blake2b(text, digest_size=WORD).digest(), "little")
    found = mixed(found) | np.uint64(1)
    return found if not column.null_count else np.where(np.asarray(column.is_valid()), found, np.uint64(0))


def mixed(x: np.ndarray) -> np.ndarray:
    """SplitMix64's step: each input has its own output, and each of its bits moves half of the output's."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * FIRST
    x = (x ^ (x >> np.uint64(27))) * SECOND
    return x ^ (x >> np.uint64(31))
