"""Lateness of writes in 50 µs buckets: cheap to record, exact enough to certify milliseconds."""

from __future__ import annotations

from itertools import accumulate

BUCKET_S = 50e-6
BUCKETS = 40_000
"""Up to 2 s; what is later shares the last bucket, and ``longest_s`` tells how late it was."""


class Histogram:
    """Counts of durations ≥ 0 in seconds."""

    __slots__ = ("counts", "longest_s", "sum_s", "total")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.longest_s = self.sum_s = 0.0
        self.total = 0

    def add(self, late_s: float) -> None:
        """One write, ``late_s`` after it was due; early (within the heap's slack) counts as on time."""
        self.total += 1
        self.sum_s += late_s
        if late_s > self.longest_s:
            self.longest_s = late_s
        bucket = int(late_s / BUCKET_S)
        if bucket < 0:
            bucket = 0
        elif bucket >= BUCKETS:
            bucket = BUCKETS - 1
        self.counts[bucket] += 1

    def quantile(self, q: float) -> float | None:
        """Upper edge of the bucket that holds the q-quantile (nearest rank), at most the longest; None when empty."""
        if not self.total:
            return None
        rank = max(1, -int(-q * self.total // 1))
        for bucket, seen in enumerate(accumulate(self.counts)):
            if seen >= rank:
                return self.longest_s if bucket == BUCKETS - 1 else min((bucket + 1) * BUCKET_S, self.longest_s)
        return self.longest_s

    def summary(self) -> dict[str, float | int | None]:
        quantiles = {name: self.quantile(q) for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))}
        return {**quantiles, "max": self.longest_s if self.total else None, "writes": self.total}
