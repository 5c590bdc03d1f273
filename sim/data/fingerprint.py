"""The fingerprint of a run: a SHA-256 over everything that happened and when. Same scenario, seed and engine: same fingerprint."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from sim.data.run import Run
from sim.data.table import Rows, Table

BLOCK = 4096
"""Rows whose columns are taken out at a time: few enough to stay in the processor's cache."""


def fingerprint(run: Run) -> str:
    """Over every column of the requests and the attempts, the names that their ``target`` stands for, and the events.

    It does not depend on who computed the replications, nor on whether their rows stand in memory or on disk.
    """
    parts = (table_digest("requests", run.requests), table_digest("attempts", run.attempts))
    told = json.dumps([run.replications, run.targets, run.events], sort_keys=True)
    return hashlib.sha256("\n".join((*parts, told)).encode()).hexdigest()


def table_digest(name: str, rows: Rows) -> str:
    """One line for each column: its name, type and the SHA-256 of its values as little-endian bytes, part after part of the run."""
    kinds = {column: rows.dtype[column].newbyteorder("<") for column in rows.dtype.names or ()}
    digests = {column: hashlib.sha256() for column in kinds}
    for part in rows.parts if isinstance(rows, Table) else (rows,):
        for block in blocks(part):
            for column, kind in kinds.items():
                digests[column].update(np.ascontiguousarray(block[column], kind).data)
    return "\n".join(f"{name}.{column} {kind.str} {digests[column].hexdigest()}" for column, kind in kinds.items())


def blocks(part: Rows) -> list[Rows]:
    """Rows in memory lie beside each other, so a column of few at a time is quicker to take; those on disk come in columns anyway."""
    return [part[start : start + BLOCK] for start in range(0, len(part), BLOCK)] if isinstance(part, np.ndarray) else [part]
