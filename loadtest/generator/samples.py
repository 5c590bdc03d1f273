"""Exact samples of a load run: one fixed-size binary row per request, the same bytes on disk and in the pipe to the parent.

Rows are appended as requests end, so a killed run loses at most its last batch; a torn last row is left out when reading.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sim.data.outcomes import BY_NAME, ERROR, OK, RATE_LIMITED, REJECTED, TIMEOUT, is_served
from sim.gateway.rows import REQUEST_COLUMNS, REQUESTS, WAITS

# Beyond the columns of a request's row. Times are seconds after the run's t0, on the load generator's clock.
EXTRA_COLUMNS: dict[str, tuple[str, str]] = {
    "sent_s": ("f8", "when the request's headers were written to the socket, or a new connection for it begun; nan if never"),
    "headers_s": ("f8", "when the answer's headers came; nan if none"),
    "ended_s": ("f8", "last byte, or the moment it failed or was given up"),
    "status": ("i2", "HTTP status; 0: no answer"),
    "deltas": ("i4", "content deltas received"),
    "dropped": ("i1", "1: never sent, the generator had no room for it"),
    "version": ("i4", "of the content that the answer rests on, as a mock's first token tells; -1: it does not"),
    "error": ("S160", "what went wrong, in words"),
}
SAMPLES = np.dtype([(name, code) for name, (code, _) in {**REQUEST_COLUMNS, **EXTRA_COLUMNS}.items()])
PATTERN = "samples-*.bin"

STATUS_OUTCOMES = {429: RATE_LIMITED, 503: REJECTED, 504: TIMEOUT, 408: TIMEOUT}


def outcome_of(status: int, told: str | None = None) -> int:
    """What an HTTP answer means, as a code of ``sim.data.outcomes``.

    ``told`` is the reference gateway's x-tenfold-outcome; gateways of others are judged by the status alone.
    """
    if told is not None and told in BY_NAME:
        return BY_NAME[told].code
    if 200 <= status < 300:
        return OK
    return STATUS_OUTCOMES.get(status, ERROR)


def blank_row() -> np.ndarray:
    """One row in which nothing has happened yet: nan for times, -1 for indices, 0 for counts."""
    row = np.zeros(1, SAMPLES)
    for name, (code, _) in {**REQUEST_COLUMNS, **EXTRA_COLUMNS}.items():
        if code == "f8":
            row[name] = np.nan
    for name in (*WAITS, "cost_usd"):
        row[name] = 0.0
    row["target"] = row["key"] = row["version"] = -1
    return row


def read(directory: Path) -> np.ndarray:
    """All samples of a run in order of ``request``, whatever the number of generators that wrote them.

    Raises FileNotFoundError if there are none.
    """
    files = sorted(directory.glob(PATTERN))
    if not files:
        raise FileNotFoundError(f"no samples in {directory}")
    parts = []
    for file in files:
        content = file.read_bytes()
        parts.append(np.frombuffer(content[: len(content) - len(content) % SAMPLES.itemsize], SAMPLES))
    rows = np.concatenate(parts)
    return rows[np.argsort(rows["request"], kind="stable")]


class Tail:
    """The rows that the generators have added to a run's files since they were asked for last."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.read: dict[Path, int] = {}

    def rows(self) -> np.ndarray:
        parts = [np.zeros(0, SAMPLES)]
        for file in sorted(self.directory.glob(PATTERN)):
            with file.open("rb") as opened:
                opened.seek(self.read.get(file, 0))
                content = opened.read()
            whole = len(content) - len(content) % SAMPLES.itemsize
            self.read[file] = self.read.get(file, 0) + whole
            parts.append(np.frombuffer(content[:whole], SAMPLES))
        return np.concatenate(parts)


def to_requests(samples: np.ndarray) -> np.ndarray:
    """The part of the samples that is a request's row."""
    rows = np.zeros(len(samples), REQUESTS)
    for name in REQUESTS.names or ():
        rows[name] = samples[name]
    return rows


def frequent_errors(samples: np.ndarray, most: int = 5) -> list[dict[str, Any]]:
    """What requests that were not served got instead, most frequent first: ``status`` (0: no answer), ``error``, ``requests``."""
    failed = samples[~is_served(samples["outcome"])][["status", "error"]]
    kinds, counts = np.unique(failed, return_counts=True)
    return [
        {
            "status": int(kinds["status"][place]),
            "error": kinds["error"][place].decode("utf-8", "replace"),
            "requests": int(counts[place]),
        }
        for place in np.argsort(-counts, kind="stable")[:most]
    ]


def write_parquet(samples: np.ndarray, path: Path) -> None:
    """All columns of the samples; ``error`` as text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array(np.ascontiguousarray(samples[name])) for name in SAMPLES.names or () if name != "error"}
    columns["error"] = pa.array([each.decode("utf-8", "replace") for each in samples["error"].tolist()], pa.string())
    pq.write_table(pa.table(columns), path, compression="zstd")
