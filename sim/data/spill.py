"""Runs longer than memory should hold: each replication's rows go to Parquet as it finishes, and figures read the columns they need.

What reads a run does not notice: it sees Rows either way, and computes the same bits.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from sim.data.table import Rows
from sim.data.temp_folders import make_work_folder

MOST_IN_MEMORY = 12_000_000
"""Requests whose rows stand in memory, of all the runs of one command together: some 2.5 GB, their attempts included."""
VARIABLE = "TENFOLD_ROWS_IN_MEMORY"
PREFIX = ".tenfold-rows-"


def most_in_memory() -> int:
    """MOST_IN_MEMORY, or what the environment variable TENFOLD_ROWS_IN_MEMORY says. Raises ValueError if that is no whole number."""
    text = os.environ.get(VARIABLE, "")
    if text and not text.isdecimal():
        raise ValueError(f"expected a whole number of requests in {VARIABLE}, found {text!r}")
    return int(text) if text else MOST_IN_MEMORY


class CannotSpill(Exception):
    """The disk does not take what memory should not hold. The message names the place."""


class Spilled:
    """Rows in one row group of a Parquet file. ``keeps``: what must live for as long as the file is read; ``missing``: columns that the
    file is known not to have, read as zeros.
    """

    __slots__ = ("count", "dtype", "group", "keeps", "missing", "path")

    def __init__(
        self, path: Path, dtype: np.dtype, count: int, group: int = 0, keeps: object = None, missing: frozenset[str] = frozenset()
    ) -> None:
        self.path, self.dtype, self.count, self.group, self.keeps, self.missing = path, dtype, count, group, keeps, missing

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, which: str | np.ndarray) -> np.ndarray:
        """A column by its name, or the rows of a mask as a structured array."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            if isinstance(which, str):
                return self.column(file, which)
            rows = np.empty(int(np.count_nonzero(which)), self.dtype)
            for name in self.dtype.names or ():
                rows[name] = self.column(file, name)[which]
            return rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[np.ones(len(self), bool)]

    def column(self, file: Any, name: str) -> np.ndarray:
        """Of the open file. Raises KeyError for one that it does not have."""
        if name in self.missing:
            return np.zeros(self.count, self.dtype[name])
        column: np.ndarray = file.read_row_group(self.group, [name]).column(name).to_numpy()
        return column


def spill(rows: np.ndarray, path: Path, keeps: object = None) -> Spilled:
    """Write rows to a Parquet file of their own: quick to write and to read again, column by column."""
    import pyarrow.parquet as pq

    pq.write_table(arrow_table(rows), path, row_group_size=max(1, len(rows)), compression="lz4", use_dictionary=False)
    return Spilled(path, rows.dtype, len(rows), keeps=keeps)


def arrow_table(rows: np.ndarray, **more: np.ndarray) -> Any:
    """Rows as a pyarrow.Table, ``more`` columns before their own."""
    import pyarrow as pa

    columns = more | {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}
    return pa.table({name: pa.array(column) for name, column in columns.items()})


class SpillFolder:
    """A temporary folder that goes with the last of those who hold it, at the latest with the process."""

    def __init__(self, parent: Path | None) -> None:
        self.path = make_work_folder(PREFIX, parent)
        self.files = 0
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def spill(self, rows: np.ndarray) -> Spilled:
        self.files += 1
        return spill(rows, self.path / f"{self.files:06}.parquet", keeps=self)


class RowKeeper:
    """Keeps the rows of finished replications: in memory up to ``most`` requests of all runs together, on disk beyond.

    ``most``: default ``most_in_memory()``. ``parent``: where the temporary folder goes (default: the system's place for such).
    """

    def __init__(self, most: int | None = None, parent: Path | None = None) -> None:
        self.most = most_in_memory() if most is None else most
        self.parent = parent
        self.held = 0
        self.folder: SpillFolder | None = None

    def has_room(self, requests: float) -> bool:
        """For the rows of so many more requests."""
        return self.held + requests <= self.most

    def hold(self, requests: Rows, attempts: Rows) -> tuple[Rows, Rows]:
        """The rows of one replication, left in memory."""
        self.held += len(requests)
        return requests, attempts

    def spill(self, requests: Rows, attempts: Rows) -> tuple[Rows, Rows]:
        """The rows of one replication, written to disk. Raises CannotSpill."""
        try:
            if self.folder is None:
                self.folder = SpillFolder(self.parent)
            return self.folder.spill(np.asarray(requests)), self.folder.spill(np.asarray(attempts))
        except OSError as error:
            where = self.parent or tempfile.gettempdir()
            raise CannotSpill(f"rows that do not fit into memory cannot be written to {where}: {error.strerror or error}") from error
