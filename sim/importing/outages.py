"""Outages in a log: spans in which most of a provider's answers were errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.importing.calls import OK

MOST = 0.5
FEWEST_ERRORS = 5
WINDOW = 9
CLIENTS_FAULT = (400, 401, 403, 404, 413, 422, 499)


@dataclass(frozen=True)
class Outage:
    """``share`` of ``calls`` failed between two times of the log, mostly with ``status``."""

    start_s: float
    end_s: float
    share: float
    calls: int
    status: int


def find_outages(start_s: np.ndarray, status: np.ndarray) -> list[Outage]:
    """Runs of calls whose neighbours (WINDOW of them) mostly failed; rows in order of time. Errors that the client made do not count."""
    if len(status) < FEWEST_ERRORS:
        return []
    failed = (status != OK) & ~np.isin(status, CLIENTS_FAULT)
    window = min(WINDOW, len(failed))  # "same" is as long as the longer of the two
    around = np.convolve(failed, np.ones(window), "same") / window
    down = around > MOST
    edges = np.flatnonzero(np.diff(np.concatenate([[0], down.astype(np.int8), [0]])))
    found = []
    usual = failed[~down].mean() if (~down).any() else 1.0
    for first, last in edges.reshape(-1, 2):
        inside = np.flatnonzero(failed[first:last])
        if len(inside) < FEWEST_ERRORS or usual > MOST / 2:
            continue
        begin, end = first + inside[0], first + inside[-1]
        bad = failed[begin : end + 1]
        codes, counts = np.unique(status[begin : end + 1][bad], return_counts=True)
        found.append(Outage(float(start_s[begin]), float(start_s[end]), float(bad.mean()), len(bad), int(codes[np.argmax(counts)])))
    return [each for each in found if each.end_s > each.start_s]
