"""Counters of one mock process in the Prometheus text format, version 0.0.4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mockprovider.delivery.lateness import BUCKET_S, Histogram
from mockprovider.delivery.playback import End

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EDGES_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)


class Metrics:
    """Counts since the run's start."""

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, int, End]] = Counter()
        self.tokens: Counter[tuple[str, str]] = Counter()

    def count(self, model: str, status: int, end: End, input_tokens: int, cached_tokens: int, output_tokens: int) -> None:
        self.attempts[model, status, end] += 1
        if status == 200:
            tokens = self.tokens
            tokens[model, "input"] += input_tokens
            tokens[model, "cached"] += cached_tokens
            tokens[model, "output"] += output_tokens

    def render(self, provider: str, gauges: Mapping[str, tuple[str, float]], lateness: Histogram) -> bytes:
        """``gauges``: name -> (help, value)."""
        return ("\n".join(self._lines(provider, gauges, lateness)) + "\n").encode()

    def _lines(self, provider: str, gauges: Mapping[str, tuple[str, float]], lateness: Histogram) -> Iterator[str]:
        yield from header("tenfold_mock_attempts_total", "counter", "Attempts by model, HTTP status and how the answer ended.")
        for (model, status, end), count in sorted(self.attempts.items()):
            labels = spell(provider=provider, model=model, status=status, end=end.name.lower())
            yield f"tenfold_mock_attempts_total{labels} {count}"
        yield from header("tenfold_mock_tokens_total", "counter", "Tokens of answers with status 200. Cached ones are input too.")
        for (model, kind), count in sorted(self.tokens.items()):
            yield f"tenfold_mock_tokens_total{spell(provider=provider, model=model, kind=kind)} {count}"
        for name, (text, value) in gauges.items():
            yield from header(f"tenfold_mock_{name}", "gauge", text)
            yield f"tenfold_mock_{name}{spell(provider=provider)} {value:g}"
        yield from header("tenfold_mock_token_lateness_seconds", "histogram", "Actual minus intended write time of streamed tokens.")
        seen, bucket = 0, 0
        for edge_s in EDGES_S:
            until = round(edge_s / BUCKET_S)
            seen, bucket = seen + sum(lateness.counts[bucket:until]), until
            yield f"tenfold_mock_token_lateness_seconds_bucket{spell(provider=provider, le=f'{edge_s:g}')} {seen}"
        yield f"tenfold_mock_token_lateness_seconds_bucket{spell(provider=provider, le='+Inf')} {lateness.total}"
        yield f"tenfold_mock_token_lateness_seconds_count{spell(provider=provider)} {lateness.total}"
        yield f"tenfold_mock_token_lateness_seconds_sum{spell(provider=provider)} {lateness.sum_s:.6f}"


def header(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def spell(**labels: Any) -> str:
    inner = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return "{" + inner + "}"
