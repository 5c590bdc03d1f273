"""What /metrics tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sim.data.outcomes import NAMES as OUTCOMES
from sim.kernel.refusals import NAMES as LIMITS
from sim.kernel.refusals import NOT_REFUSED

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
GAUGES = (
    ("tenfold_waiting", "Requests waiting for admission"),
    ("tenfold_in_service", "Requests in service"),
    ("tenfold_open_breakers", "Breakers not closed"),
)


class Metrics:
    """Counters by outcome and by who refused, histograms of the gateway's own latencies. ``look`` gives the values of GAUGES."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, look: Callable[[], tuple[int, ...]]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "tenfold_requests", "Requests by outcome and by the limit that refused them", ["outcome", "refused_by"], registry=self._registry
        )
        self._by_outcome = {code: self._requests.labels(name, "") for code, name in OUTCOMES.items()}
        self._attempts = Counter("tenfold_attempts", "Attempts sent to providers", registry=self._registry)
        self._output_tokens = Counter("tenfold_output_tokens", "Tokens that reached clients", registry=self._registry)
        self._cost = Counter("tenfold_cost_usd", "Cost of all attempts, as the gateway counts", registry=self._registry)
        self._latency = Histogram("tenfold_latency_seconds", "From arrival to the end", buckets=SECONDS, registry=self._registry)
        self._ttft = Histogram("tenfold_ttft_seconds", "From arrival to the first content", buckets=SECONDS, registry=self._registry)
        self._wait = Histogram("tenfold_queue_wait_seconds", "Waiting for admission", buckets=SECONDS, registry=self._registry)
        for place, (name, words) in enumerate(GAUGES):
            Gauge(name, words, registry=self._registry).set_function(lambda place=place: look()[place])  # type: ignore[misc]

    def call_ended(self, c: Any) -> None:
        if c.refused_by == NOT_REFUSED:
            self._by_outcome[c.outcome].inc()
        else:
            self._requests.labels(OUTCOMES[c.outcome], LIMITS[c.refused_by]).inc()
        self._attempts.inc(c.attempts)
        self._output_tokens.inc(c.output_tokens)
        self._cost.inc(c.cost_usd)
        self._latency.observe(c.latency_s)
        if c.ttft_s == c.ttft_s:
            self._ttft.observe(c.ttft_s)
        self._wait.observe(c.queue_wait_s)

    def expose(self) -> bytes:
        return generate_latest(self._registry)
