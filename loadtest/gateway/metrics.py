"""What /metrics tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sim.data.schema import OUTCOMES, Outcome
from sim.gateway.request import Record

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """Counters by outcome, histograms of the gateway's own latencies. ``look`` gives (waiting, in service, breakers not closed)."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, look: Callable[[], tuple[int, int, int]]) -> None:
        self._registry = CollectorRegistry()
        requests = Counter("tenfold_requests", "Requests by outcome", ["outcome"], registry=self._registry)
        self._outcomes = {Outcome(number): requests.labels(name) for number, name in enumerate(OUTCOMES)}
        self._attempts = Counter("tenfold_attempts", "Attempts sent to providers", registry=self._registry)
        self._output_tokens = Counter("tenfold_output_tokens", "Tokens that reached clients", registry=self._registry)
        self._cost = Counter("tenfold_cost_usd", "Cost of all attempts, as the gateway counts", registry=self._registry)
        self._latency = Histogram("tenfold_latency_seconds", "From arrival to the end", buckets=SECONDS, registry=self._registry)
        self._ttft = Histogram("tenfold_ttft_seconds", "From arrival to the first content", buckets=SECONDS, registry=self._registry)
        self._wait = Histogram("tenfold_queue_wait_seconds", "Waiting for admission", buckets=SECONDS, registry=self._registry)
        for place, (name, words) in enumerate(
            (
                ("tenfold_waiting", "Requests waiting for admission"),
                ("tenfold_in_service", "Requests in service"),
                ("tenfold_open_breakers", "Breakers not closed"),
            )
        ):
            Gauge(name, words, registry=self._registry).set_function(lambda place=place: look()[place])  # type: ignore[misc]

    def observe(self, record: Record, latency_s: float) -> None:
        self._outcomes[record.outcome].inc()
        self._attempts.inc(record.attempts)
        self._output_tokens.inc(record.output_tokens)
        self._cost.inc(record.cost_usd)
        self._latency.observe(latency_s)
        if record.first_content_s == record.first_content_s:
            self._ttft.observe(record.first_content_s - record.arrived_s)
        self._wait.observe(record.queue_wait_s)

    def expose(self) -> bytes:
        return generate_latest(self._registry)
