"""How fast this machine is just now: the CPU time of a fixed piece of work, again and again beside a run.

Virtual machines share their cores with others that they do not see: the same work may take twice the CPU time for seconds or hours, and the
system counts no steal. Figures of CPU time travel from one run to another by the ratio of their yardsticks.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import numpy as np

from loadtest.processes.beside import beside

PAUSE_S = 0.2
ROUNDS = 15_000
"""Some 1.5 to 3 ms of work: long enough that a cold cache at its start counts little, and about a hundredth of a core in all."""


def measure_s() -> float:
    """CPU seconds of the piece of work in this thread: arithmetic and a table, as interpreters do it."""
    began, table, total = time.thread_time(), {}, 0
    for number in range(ROUNDS):
        table[number & 255] = total
        total += number
    return time.thread_time() - began


@contextlib.contextmanager
def watched() -> Iterator[list[float]]:
    """Yardsticks every PAUSE_S, from a thread, as long as the context lasts; the list fills meanwhile."""
    seen: list[float] = []

    def watch(ended: threading.Event) -> None:
        while not ended.wait(PAUSE_S):
            seen.append(measure_s())

    with beside(watch, "yardstick"):
        yield seen


def typical_s(seen: list[float]) -> float | None:
    """The mean, because work slows down with every one of them; None if there are too few."""
    return float(np.mean(seen)) if len(seen) >= 5 else None
