"""Rows on their way from a simulation to a table, packed as they come."""

from __future__ import annotations

from struct import Struct

import numpy as np

from sim.data.outcomes import ABANDONED
from sim.scenario.model import Scenario

CODES = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "f8": "d"}


class RowLog:
    """Rows of ``dtype``: ``log.rows += log.pack(field, …)`` adds one, in a quarter of the room that a tuple of its fields would take.

    All fields but ``replication``, which is the same for all.
    """

    __slots__ = ("dtype", "pack", "rows")

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        codes = (f"{dtype[name].itemsize}x" if name == "replication" else CODES[dtype[name].str[1:]] for name in dtype.names or ())
        self.pack = Struct("<" + "".join(codes)).pack
        self.rows = bytearray()

    def __len__(self) -> int:
        return len(self.rows) // self.dtype.itemsize

    def table(self, replication: int = 0) -> np.ndarray:
        """All rows so far, in the order in which they were added; no more can be added while somebody holds them."""
        rows = np.frombuffer(self.rows, self.dtype)
        rows["replication"] = replication
        return rows


def in_order(rows: np.ndarray) -> np.ndarray:
    """Rows of requests in the order of their numbers."""
    return rows[np.argsort(rows["request"], kind="stable")]


def as_clients_saw(rows: np.ndarray, scenario: Scenario) -> np.ndarray:
    """The rows, changed in place: clients that had left before their answer have abandoned, where the gateway went on without them."""
    patience_s = scenario.workload.client.timeout
    if patience_s is not None:
        gone = rows["latency_s"] > patience_s
        rows["outcome"][gone] = ABANDONED
        rows["latency_s"][gone] = patience_s
    return rows


def joined(arrays: list[np.ndarray]) -> np.ndarray:
    """Their concatenation. Takes them out of the list one by one, so that memory holds hardly more than one copy."""
    arrays.reverse()
    whole = np.empty(sum(map(len, arrays)), arrays[-1].dtype)
    filled = 0
    while arrays:
        array = arrays.pop()
        whole[filled : filled + len(array)] = array
        filled += len(array)
    return whole
