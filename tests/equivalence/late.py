"""Changes to everything.yaml with which deadlines pass at the gateway: at its CPU, at the look-up of the session, and in the queue."""

from __future__ import annotations

import numpy as np

from sim.data.outcomes import TIMEOUT

LATE = (
    "workload.duration=2m", "workload.client.timeout=null", "gateway.cpu_per_request={kind: lognormal, median: 40ms, p99: 500ms}",
    "gateway.sessions.store=memory", "gateway.sessions.lookup={kind: lognormal, median: 200ms, p99: 4s}",
    "gateway.timeout={first_token: 2s, total: 3s}",
    "gateway.queue={concurrency: 8, waiting: 40}", "gateway.fallback=[next-provider]", "faults=[]",
)  # fmt: skip


def assert_late(rows: np.ndarray) -> None:
    """Some came to the queue too late, and some waited in it for too long: they called nobody."""
    late = (rows["outcome"] == TIMEOUT) & (rows["attempts"] == 0)
    assert (late & (rows["queue_wait_s"] == 0)).sum() > 10
    assert (late & (rows["queue_wait_s"] > 0)).sum() > 10
