"""Can this mock's clock be trusted? Lateness of its writes, stalls of its loop, CPU stolen from its host, and a verdict."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from mockprovider.delivery.clock import Deadlines
from mockprovider.delivery.lateness import Histogram
from mockprovider.delivery.playback import Ledger

BOUND_S = 0.005
"""Lateness up to which a run counts, unless whoever asks can bear a later P99: the bar of the mock's own benchmark."""
ENOUGH_WRITES = 1000
"""Of fewer writes the P99 is one of the ten latest, which may be bad luck: they are judged by their P90."""
STALL_S = 0.05
"""A heartbeat this late means that the process stood still."""
MOST_STEAL = 0.05
HEARTBEAT_S = 0.02


def host_ticks() -> tuple[int, int]:
    """(stolen, all) CPU ticks of this host since its start, from /proc/stat; (0, 0) where there is none."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return 0, 0
    return fields[7], sum(fields)


class Certificate:
    """Watches a process from ``restart`` on. ``report`` gives the figures of ``/_mock/certificate``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self.restart()
        deadlines.at(time.monotonic() + HEARTBEAT_S, self._beat)

    def restart(self) -> None:
        self.ledger = Ledger()
        self.heartbeat = Histogram()
        self.stalls = 0
        self._started_s = time.monotonic()
        self._cpu_s = time.process_time()
        self._ticks = host_ticks()
        self._expected_s = self._started_s + HEARTBEAT_S

    def _beat(self, now_s: float) -> None:
        late_s = now_s - self._expected_s
        self.heartbeat.add(late_s)
        if late_s > STALL_S:
            self.stalls += 1
        self._expected_s = now_s + HEARTBEAT_S
        self._deadlines.at(self._expected_s, self._beat)

    def report(self, lost_rows: int, p99_bound_s: float = BOUND_S) -> dict[str, Any]:
        """``valid`` with ``why_invalid`` in words, and every figure behind it; times in seconds, shares 0–1.

        The median of the lateness may be BOUND_S at most, its P99 ``p99_bound_s`` (never less than BOUND_S).
        """
        p99_bound_s = max(BOUND_S, p99_bound_s)
        stolen, ticks = (after - before for after, before in zip(host_ticks(), self._ticks, strict=True))
        steal = stolen / ticks if ticks else 0.0
        elapsed_s = time.monotonic() - self._started_s
        ledger = self.ledger
        why = []
        for what, histogram in (("first", ledger.first), ("token", ledger.tokens), ("last", ledger.last)):
            tail = 0.99 if histogram.total >= ENOUGH_WRITES else 0.9
            for q, bound_s in ((0.5, BOUND_S), (tail, p99_bound_s)):
                late_s = histogram.quantile(q)
                if late_s is not None and late_s > bound_s:
                    why.append(f"P{q * 100:g} lateness of {what} writes is {late_s * 1e3:.1f} ms, more than {bound_s * 1e3:.3g} ms")
        if steal > MOST_STEAL:
            why.append(f"{steal:.1%} of the host's CPU was stolen, more than {MOST_STEAL:.0%}")
        if lost_rows:
            why.append(f"{lost_rows} attempts did not fit into the truth log")
        every = ledger.tokens if ledger.tokens.total else ledger.first
        return {
            "valid": not why,
            "why_invalid": why,
            "bound_s": p99_bound_s,
            "lateness_s": every.summary(),
            "first_lateness_s": ledger.first.summary(),
            "last_lateness_s": ledger.last.summary(),
            "blocked_writes": ledger.blocked,
            "loop": {"stalls": self.stalls, "stall_s": STALL_S, "heartbeat_lateness_s": self.heartbeat.summary()},
            "host_steal": steal,
            "cpu": (time.process_time() - self._cpu_s) / elapsed_s if elapsed_s > 0 else 0.0,
            "elapsed_s": elapsed_s,
            "timer": type(self._deadlines.timer).__name__,
        }
