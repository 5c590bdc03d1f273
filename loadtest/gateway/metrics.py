"""What /metrics tells Prometheus: the gateway's own figures, and those of attempts under OpenTelemetry's names for GenAI clients.

The latter are ``gen_ai.client.operation.duration`` and ``gen_ai.client.token.usage`` of the semantic conventions, named, labelled and
bucketed as those say, in Prometheus's spelling: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sim.data.outcomes import AVAILABLE
from sim.data.outcomes import NAMES as OUTCOMES
from sim.data.statuses import CANCELLED, REFUSED, TIMED_OUT
from sim.gateway.rows import COSTS
from sim.gateway.stages.jobs import is_accepted
from sim.kernel.refusals import NAMES as LIMITS
from sim.scenario.budgets import parse_budgets
from sim.scenario.targets import target_names

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
GENAI_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
GENAI_TOKENS = tuple(4**power for power in range(14))
GAUGES = (
    ("tenfold_waiting", "Requests waiting for admission"),
    ("tenfold_in_service", "Requests in service"),
    ("tenfold_open_breakers", "Breakers not closed"),
)
MODEL = ["provider", "model", "feature"]
ERROR_TYPES = {REFUSED: "connection", TIMED_OUT: "timeout", CANCELLED: "cancelled"}  # otherwise the HTTP status, as the conventions say
GENAI = ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"]


class Metrics:
    """Counters by outcome, class, model and feature, histograms of latencies. ``look`` gives the values of GAUGES."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, look: Callable[[], tuple[int, ...]], scenario: Any) -> None:
        registry = self._registry = CollectorRegistry()
        classes = scenario.workload.requests
        self._classes = [each.name for each in classes]
        self._features = [each.feature or each.name for each in classes]
        self._targets = [name.split("/", 1) for name in target_names(scenario)]
        seconds = (*SECONDS, *(each.limit for each in parse_budgets(scenario) if each.metric.unit == "s"))
        buckets = sorted({bound for bound in seconds if bound > 0.0})  # whether a budget holds can be told exactly at its own limit
        self._labelled: dict[tuple[Any, ...], Any] = {}
        self._requests = Counter(
            "tenfold_requests", "Requests by outcome, the limit that refused them, and class", ["outcome", "refused_by", "class"],
            registry=registry,
        )  # fmt: skip
        self._attempts = Counter("tenfold_attempts", "Attempts sent to providers", registry=registry)
        self._input_tokens = Counter("tenfold_input_tokens", "Input tokens billed", MODEL, registry=registry)
        self._billed_tokens = Counter("tenfold_billed_output_tokens", "Output tokens billed, read or not", MODEL, registry=registry)
        self._output_tokens = Counter("tenfold_output_tokens", "Tokens that reached clients", registry=registry)
        self._cost = Counter("tenfold_cost_usd", "Cost as the gateway counts; without a model, its own", MODEL, registry=registry)
        self._latency = Histogram("tenfold_latency_seconds", "From arrival to the end", ["class"], buckets=buckets, registry=registry)
        self._answered = Histogram(
            "tenfold_answer_latency_seconds",
            "From arrival to the end, of answers; of jobs to the acceptance",
            ["class"],
            buckets=buckets,
            registry=registry,
        )
        self._job = Histogram(
            "tenfold_job_seconds", "From arrival to the answer of an accepted job", ["class"], buckets=buckets, registry=registry
        )
        self._ttft = Histogram("tenfold_ttft_seconds", "From arrival to the first content", ["class"], buckets=buckets, registry=registry)
        self._wait = Histogram("tenfold_queue_wait_seconds", "Waiting for admission", buckets=buckets, registry=registry)
        self._duration = Histogram(
            "gen_ai_client_operation_duration_seconds", "GenAI operation duration", [*GENAI, "error_type"], buckets=GENAI_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._usage = Histogram(
            "gen_ai_client_token_usage", "Input and output tokens used", [*GENAI, "gen_ai_token_type"], buckets=GENAI_TOKENS,
            registry=registry,
        )  # fmt: skip
        for place, (name, words) in enumerate(GAUGES):
            Gauge(name, words, registry=registry).set_function(lambda place=place: look()[place])  # type: ignore[misc]
        for name in self._classes:
            self._of(self._requests, "ok", "", name)

    def _of(self, metric: Any, *labels: str) -> Any:
        """The metric with these labels: looked up once, for that takes longer than to count."""
        key = (metric, *labels)
        found = self._labelled.get(key)
        if found is None:
            found = self._labelled[key] = metric.labels(*labels)
        return found

    def call_ended(self, c: Any) -> None:
        name = self._classes[c.kind]
        self._of(self._requests, OUTCOMES[c.outcome], LIMITS[c.refused_by], name).inc()
        self._attempts.inc(c.attempts)
        self._output_tokens.inc(c.output_tokens)
        own_usd = sum(getattr(c, column) for column in COSTS)
        if own_usd > 0.0:
            self._of(self._cost, "", "", self._features[c.kind]).inc(own_usd)
        self._of(self._latency, name).observe(c.latency_s)
        if c.outcome in AVAILABLE:
            self._of(self._answered, name).observe(c.accepted_s if is_accepted(c) else c.latency_s)
        if is_accepted(c):
            if c.outcome in AVAILABLE:
                self._of(self._job, name).observe(c.latency_s)
                self._of(self._ttft, name).observe(c.accepted_s)
        elif c.ttft_s == c.ttft_s:
            self._of(self._ttft, name).observe(c.ttft_s)
        self._wait.observe(c.queue_wait_s)

    def attempt_ended(self, c: Any) -> None:
        provider, model = self._targets[c.target]
        labels = (provider, model, self._features[c.kind])
        self._of(self._cost, *labels).inc(c.attempt_cost_usd)
        self._of(self._input_tokens, *labels).inc(c.billed_tokens)
        self._of(self._billed_tokens, *labels).inc(c.produced_tokens)
        error = "" if c.status == 200 else ERROR_TYPES.get(c.status, str(c.status))
        self._of(self._duration, "chat", provider, model, error).observe(c.attempt_s)
        if c.status == 200:
            self._of(self._usage, "chat", provider, model, "input").observe(c.billed_tokens)
            self._of(self._usage, "chat", provider, model, "output").observe(c.produced_tokens)

    def expose(self) -> bytes:
        return generate_latest(self._registry)
