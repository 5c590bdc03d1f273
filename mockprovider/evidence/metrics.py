"""What one mock process tells Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from mockprovider.delivery.lateness import BUCKET_S, Histogram
from mockprovider.delivery.playback import End
from sim.kernel.refusals import NAMES

EDGES_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)

Gauges = Mapping[str, tuple[str, Callable[[], float]]]


class Metrics(Collector):
    """Counts since the run's start, kept as plain numbers: they become metrics when somebody asks for them.

    ``gauges``: name -> (help, its value now). ``lateness`` gives the lateness of the tokens written so far.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, provider: str, gauges: Gauges, lateness: Callable[[], Histogram]) -> None:
        self.provider = provider
        self.gauges = gauges
        self.lateness = lateness
        self.attempts: Counter[tuple[str, int, End, int]] = Counter()
        self.tokens: Counter[tuple[str, str]] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def count(self, model: str, status: int, end: End, refused_by: int, input_tokens: int, cached_tokens: int, output_tokens: int) -> None:
        """One attempt; ``refused_by`` is a code of ``sim.kernel.refusals``."""
        self.attempts[model, status, end, refused_by] += 1
        if status == 200:
            tokens = self.tokens
            tokens[model, "input"] += input_tokens
            tokens[model, "cached"] += cached_tokens
            tokens[model, "output"] += output_tokens

    def expose(self) -> bytes:
        """The text of ``content_type``."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        attempts = CounterMetricFamily(
            "tenfold_mock_attempts", "Attempts by model, HTTP status, how the answer ended, and the limit that refused.",
            labels=("provider", "model", "status", "end", "refused_by"),
        )  # fmt: skip
        for (model, status, end, refused_by), count in sorted(self.attempts.items()):
            attempts.add_metric((self.provider, model, str(status), end.name.lower(), NAMES[refused_by]), count)
        yield attempts
        tokens = CounterMetricFamily(
            "tenfold_mock_tokens", "Tokens of answers with status 200. Cached ones are input too.", labels=("provider", "model", "kind")
        )
        for (model, kind), count in sorted(self.tokens.items()):
            tokens.add_metric((self.provider, model, kind), count)
        yield tokens
        for name, (text, value) in self.gauges.items():
            gauge = GaugeMetricFamily(f"tenfold_mock_{name}", text, labels=("provider",))
            gauge.add_metric((self.provider,), value())
            yield gauge
        yield self.token_lateness()

    def token_lateness(self) -> Metric:
        lateness = self.lateness()
        buckets, seen, bucket = [], 0, 0
        for edge_s in EDGES_S:
            until = round(edge_s / BUCKET_S)
            seen, bucket = seen + sum(lateness.counts[bucket:until]), until
            buckets.append((str(edge_s), float(seen)))
        buckets.append(("+Inf", float(lateness.total)))
        family = HistogramMetricFamily(
            "tenfold_mock_token_lateness_seconds", "Actual minus intended write time of streamed tokens.", labels=("provider",)
        )
        family.add_metric((self.provider,), buckets, lateness.sum_s)
        return family
