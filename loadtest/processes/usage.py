"""What processes use: CPU and memory of a process and all its descendants, as the system counts them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import numpy as np
import psutil

from loadtest.processes.beside import beside

SAMPLE_S = 0.5
USAGE = np.dtype([("at", "f8"), ("pid", "i4"), ("cpu_s", "f8"), ("rss_mb", "f8"), ("threads", "i4")])
"""One row for each process and sample. ``at``: unix seconds; ``cpu_s``: user and system time since the process's start."""


class Processes:
    """The process ``pid`` and all that it has started, as long as they live."""

    def __init__(self, pid: int) -> None:
        self.root = psutil.Process(pid)
        self._cpu_s: dict[int, float] = {}  # last seen; those that have ended stay counted

    def sample(self) -> np.ndarray:
        """Rows of USAGE, one for each process that lives now."""
        rows = []
        at = time.time()
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [self.root, *self.root.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied), process.oneshot():
                    times = process.cpu_times()
                    self._cpu_s[process.pid] = times.user + times.system
                    rows.append((at, process.pid, times.user + times.system, process.memory_info().rss / 2**20, process.num_threads()))
        return np.array(rows, USAGE)

    def cpu_s(self) -> float:
        """CPU seconds used so far by all of them, those included that were seen and have ended."""
        self.sample()
        return sum(self._cpu_s.values())


def listening_at(url: str) -> Processes | None:
    """The processes behind a port of this machine; None where the system does not tell, or nobody listens."""
    port = urlsplit(url).port
    try:
        listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
        known = sorted({each.pid for each in listening if each.pid and each.laddr and each.laddr.port == port})
        # Workers that share a port have one parent, which was there before them: the lowest, but for a wrap of the numbers.
        return Processes(known[0]) if known else None
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return None


@contextlib.contextmanager
def sampled(processes: Processes | None) -> Iterator[list[np.ndarray]]:
    """Samples every SAMPLE_S, from a thread, as long as the context lasts; the list fills meanwhile."""
    samples: list[np.ndarray] = []
    if processes is None:
        yield samples
        return

    def watch(ended: threading.Event) -> None:
        while not ended.is_set():
            samples.append(processes.sample())
            ended.wait(SAMPLE_S)
        samples.append(processes.sample())

    with beside(watch, "usage"):
        yield samples


def summary(usage: np.ndarray) -> dict[str, float | int] | None:
    """``cpu``: CPU seconds a second, over the ``watched_s`` seconds; ``max_rss_mb`` and ``processes``: most at once. None: not watched."""
    if len(usage) < 2:
        return None
    cpu_s = 0.0
    for pid in np.unique(usage["pid"]):
        seen = usage["cpu_s"][usage["pid"] == pid]
        cpu_s += float(seen[-1] - seen[0])
    times, place = np.unique(usage["at"], return_inverse=True)
    span_s = float(times[-1] - times[0])
    return {
        "cpu_s": cpu_s,
        "cpu": cpu_s / span_s if span_s > 0 else 0.0,
        "watched_s": span_s,
        "max_rss_mb": float(np.bincount(place, weights=usage["rss_mb"]).max()),
        "processes": int(np.bincount(place).max()),
    }
