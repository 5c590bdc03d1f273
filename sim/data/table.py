"""A run's rows as readers see them: column by column, whether they stand in memory or in files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

CACHED_BYTES = 200_000_000
"""Columns that ``Columns`` holds on to: all that figures ask for of a run of two million requests, the last few of longer ones."""


class Rows(Protocol):
    """What a structured array of rows offers its readers, and a Table too.

    ``rows["latency_s"]`` is a column; ``rows[mask]`` are those rows as a structured array, for masks that select few.
    """

    @property
    def dtype(self) -> np.dtype: ...

    def __len__(self) -> int: ...

    def __getitem__(self, which: Any, /) -> Any: ...


class Table:
    """Rows of one dtype in parts that are Rows themselves, one after the other: a replication each, in memory or spilled.

    Nothing is put together before it is asked for, so that a run takes hardly more room than its parts. ``dtype``: default that of the
    first part.
    """

    __slots__ = ("dtype", "parts")

    def __init__(self, parts: Sequence[Rows], dtype: np.dtype | None = None) -> None:
        self.parts = tuple(parts)
        self.dtype = parts[0].dtype if dtype is None else dtype

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __repr__(self) -> str:
        return f"<Table of {len(self):,} rows in {len(self.parts)} parts>"

    def __getitem__(self, which: str | np.ndarray) -> np.ndarray:
        """A column by its name, contiguous; or the rows of a mask, shape (len,), as a structured array.

        Raises IndexError for anything else: a Table is read in columns.
        """
        if isinstance(which, str):
            return self.filled(self.dtype[which], [(len(part), part, which) for part in self.parts])
        if which.dtype != bool or which.shape != (len(self),):
            raise IndexError(f"expected the name of a column or a mask of {len(self)} rows, found {which.dtype} of shape {which.shape}")
        ends = np.cumsum([len(part) for part in self.parts])
        masks = np.split(which, ends[:-1])
        counted = [(int(np.count_nonzero(mask)), part, mask) for part, mask in zip(self.parts, masks, strict=True)]
        return self.filled(self.dtype, [(count, part, mask) for count, part, mask in counted if count])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.concatenate([np.zeros(0, self.dtype), *(np.asarray(part) for part in self.parts)])

    @staticmethod
    def filled(dtype: np.dtype, pieces: Sequence[tuple[int, Rows, Any]]) -> np.ndarray:
        """One array of what each part gives for its key, ``(count, part, key)``, part after part."""
        whole = np.empty(sum(count for count, _, _ in pieces), dtype)
        start = 0
        for count, part, key in pieces:
            whole[start : start + count] = part[key]
            start += count
        return whole


class Columns:
    """Columns of those ``rows`` that ``mask`` is true for (default: all), each a contiguous array, made when it is asked for.

    Those asked for last are kept, up to CACHED_BYTES; nobody may change them. ``order`` are the rows' places in another order.
    """

    __slots__ = ("kept", "mask", "order", "rows")

    def __init__(self, rows: Rows, mask: np.ndarray | None = None, order: np.ndarray | None = None) -> None:
        self.rows = rows
        self.mask = None if mask is None or mask.all() else mask
        self.order = order
        self.kept: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.rows) if self.mask is None else int(np.count_nonzero(self.mask))

    def __getitem__(self, name: str) -> np.ndarray:
        column = self.kept.pop(name, None)
        if column is None:
            column = self.made(name)
            while self.kept and sum(each.nbytes for each in self.kept.values()) + column.nbytes > CACHED_BYTES:
                del self.kept[next(iter(self.kept))]  # a dict keeps its order: the first was asked for longest ago
        self.kept[name] = column
        return column

    def made(self, name: str) -> np.ndarray:
        column = self.rows[name]
        column = np.ascontiguousarray(column) if self.mask is None else column[self.mask]
        return column if self.order is None else column[self.order]
