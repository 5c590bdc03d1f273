"""Memory that one replication leaves is used by the next of its process: fresh memory must be cleared first, which takes its time.

It concerns processes that hand their results on, such as the workers of a pool: what somebody still holds is not used again.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from threading import Lock
from typing import NamedTuple

import numpy as np

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
KEPT_BYTES = 1 << 28  # of small tables; and of each large one
LARGEST_IN_HEAP = 1 << 25  # the most that glibc allows
SHELVES = 4
ROOM = 16  # a sixteenth more than was asked for: no two replications are of the same size


class Shelf(NamedTuple):
    """Memory, and the array that was last made of it."""

    buffer: memoryview
    lent: weakref.ref[np.ndarray]


shelves: list[Shelf] = []
lock = Lock()


@cache
def keep_freed() -> None:
    """Tell glibc's allocator not to give freed memory back at once. Others do as they please."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_MMAP_THRESHOLD, LARGEST_IN_HEAP)
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def empty(count: int, dtype: np.dtype) -> np.ndarray:
    """``np.empty``; a large one in memory that was made here before, if nobody refers to that any more."""
    size = count * dtype.itemsize
    if not LARGEST_IN_HEAP < size <= KEPT_BYTES:
        return np.empty(count, dtype)
    with lock:
        fitting = (shelf.buffer for shelf in shelves if shelf.lent() is None and size <= len(shelf.buffer) <= 2 * size)
        buffer = next(fitting, None)
        others = [shelf for shelf in shelves if shelf.buffer is not buffer]
        if buffer is None:  # those that lie unused do not fit: away with them
            buffer, others = np.empty(size + size // ROOM, np.uint8).data, [shelf for shelf in shelves if shelf.lent() is not None]
        array = np.frombuffer(buffer, dtype, count)  # whatever is cut out of it refers to it: its base is no other array
        shelves[:] = [*others[1 - SHELVES :], Shelf(buffer, weakref.ref(array))]
    return array
