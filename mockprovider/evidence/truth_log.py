"""The ground truth of a mock: one row per attempt, what was planned and what was really written when.

Rows go to an unnamed temporary file as fixed-size records, so a run of any length costs no memory.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

# name, dtype, meaning. Times are seconds; started_s counts from the run's t0.
TRUTH_COLUMNS: dict[str, tuple[str, str]] = {
    "request": ("i8", "x-tenfold-request of the caller; -1 unknown"),
    "prompt": ("i8", "from the marker, or a hash of the text"),
    "occurrence": ("i4", "how often this model had seen the prompt before"),
    "model": ("i2", "index into the provider's models; -1 none"),
    "key": ("i2", "of the provider's key pool; -1 none"),
    "status": ("i2", "HTTP status; 0 refused or reset before an answer"),
    "refused_by": ("i2", "the limit or fault that said no, a code of sim.kernel.refusals; 0 none"),
    "end": ("i2", "playback.End"),
    "stream": ("i2", "1 if the answer was streamed"),
    "sdk_retry": ("i2", "x-stainless-retry-count of the official SDKs; -1 not sent"),
    "input_tokens": ("i4", ""),
    "cached_tokens": ("i4", "of the input, read from the prompt cache"),
    "output_tokens": ("i4", "produced until the end or the cut"),
    "started_s": ("f8", "arrival of the whole request"),
    "first_token_s": ("f8", "after started_s, planned; of an error or a whole answer: its only write; nan if none"),
    "per_token_s": ("f8", "planned"),
    "duration_s": ("f8", "after started_s, actual end"),
    "first_late_s": ("f8", "actual minus intended time of the first write; nan if there was none or the client was not reading"),
    "last_late_s": ("f8", "of the last write"),
    "most_late_s": ("f8", "of the latest write"),
}
TRUTH = np.dtype([(name, code) for name, (code, _) in TRUTH_COLUMNS.items()])
PACK = struct.Struct("<" + "".join({"i8": "q", "i4": "i", "i2": "h", "f8": "d"}[code] for code, _ in TRUTH_COLUMNS.values()))
assert PACK.size == TRUTH.itemsize
MOST_ROWS = 50_000_000
BLOCK_ROWS = 4096


class TruthLog:
    """Append-only; ``lost`` counts rows beyond MOST_ROWS, which make the run invalid."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=256 * 1024)  # noqa: SIM115  (closed by close())
        self.rows = 0
        self.lost = 0

    def add(self, *row: Any) -> None:
        """One row, in the order of TRUTH_COLUMNS."""
        if self.rows >= MOST_ROWS:
            self.lost += 1
            return
        self.rows += 1
        self._file.write(PACK.pack(*row))

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows so far with dtype TRUTH, in blocks; rows that come meanwhile are not included."""
        self._file.flush()
        rows = self.rows
        for start in range(0, rows, BLOCK_ROWS):
            wanted = min(BLOCK_ROWS, rows - start) * TRUTH.itemsize
            yield np.frombuffer(os.pread(self._file.fileno(), wanted, start * TRUTH.itemsize), TRUTH)

    def read(self) -> np.ndarray:
        blocks = list(self.blocks())
        return np.concatenate(blocks) if blocks else np.empty(0, TRUTH)

    def clear(self) -> None:
        """A run starts: forget what was before it."""
        self._file.seek(0)
        self._file.truncate()
        self.rows = self.lost = 0

    def close(self) -> None:
        self._file.close()
