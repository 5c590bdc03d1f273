"""Measurements of other tools, as figures to set beside a prediction: k6's summary JSON (``--summary-export`` or ``handleSummary``),
Locust's ``…_stats.csv``, and guidellm's report. They hold figures, not requests, so nothing can be paired and no interval be given.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

MOST_BYTES = 200_000_000
CSV_FIGURES = {
    "latency_s.mean": "Average Response Time", "latency_s.p50": "50%", "latency_s.p90": "90%", "latency_s.p95": "95%",
    "latency_s.p99": "99%", "latency_s.p999": "99.9%",
}  # fmt: skip
TREND = {"mean": "avg", "p50": "med", "p90": "p(90)", "p95": "p(95)", "p99": "p(99)", "p999": "p(99.9)"}
QUANTILES = {"p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99", "p999": "p999"}


class NotAReport(ValueError):
    """A file that is none of theirs. The message names it and says what was found."""


class ForeignReport(NamedTuple):
    """``figures`` by the names of ``sim.scenario.metric_names``, in its units; ``requests`` in all. ``of_all``: latencies count failed
    requests, too.
    """

    tool: str
    requests: int
    figures: dict[str, float]
    of_all: bool


def read_report(path: Path) -> ForeignReport:
    """Raises NotAReport."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise NotAReport(f"{path} is larger than {MOST_BYTES // 1_000_000} MB")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NotAReport(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        if text.lstrip().startswith("{"):
            document = json.loads(text)
            report = k6(document) if "metrics" in document else guidellm(document) if "benchmarks" in document else None
        else:
            report = locust(list(csv.DictReader(text.splitlines())))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise NotAReport(f"{path} looks like a report, but cannot be read: {type(error).__name__}: {error}") from None
    if report is None:
        raise NotAReport(
            f"{path}: expected a k6 summary (JSON with metrics), Locust's _stats.csv, or a guidellm report (JSON with benchmarks)"
        )
    figures = {name: value for name, value in report.figures.items() if math.isfinite(value)}
    return report._replace(figures=figures)


def k6(document: Mapping[str, Any]) -> ForeignReport | None:
    """In ``handleSummary`` a metric's numbers are under ``values``, in ``--summary-export`` they are not."""
    metrics = {name: each.get("values", each) for name, each in document["metrics"].items()}
    if "http_req_duration" not in metrics:
        return None
    figures = trend("latency_s", metrics["http_req_duration"])
    if "http_req_waiting" in metrics:
        figures |= trend("ttft_s", metrics["http_req_waiting"])
    failed = metrics.get("http_req_failed", {})
    if (share := failed.get("rate", failed.get("value"))) is not None:
        figures["availability"] = 1.0 - float(share)
    figures["throughput_rps"] = float(metrics["http_reqs"]["rate"]) * figures.get("availability", 1.0)
    return ForeignReport("k6", int(metrics["http_reqs"]["count"]), figures, True)


def trend(family: str, values: Mapping[str, Any]) -> dict[str, float]:
    return {f"{family}.{ours}": float(values[theirs]) / 1000 for ours, theirs in TREND.items() if theirs in values}


def locust(rows: list[dict[str, str]]) -> ForeignReport | None:
    total = next((row for row in rows if row.get("Name") == "Aggregated"), None)
    if total is None:
        return None
    requests, failures = int(total["Request Count"]), int(total["Failure Count"])
    figures = {ours: float(total[theirs]) / 1000 for ours, theirs in CSV_FIGURES.items() if total.get(theirs) not in (None, "", "N/A")}
    if requests:
        figures["availability"] = 1.0 - failures / requests
    figures["throughput_rps"] = float(total["Requests/s"]) - float(total["Failures/s"])
    return ForeignReport("Locust", requests, figures, True)


def guidellm(document: Mapping[str, Any]) -> ForeignReport | None:
    """Its only benchmark. Raises ValueError for a report of several rates."""
    benchmarks = document["benchmarks"]
    if len(benchmarks) != 1:
        raise ValueError(f"expected a report of one benchmark, found {len(benchmarks)}; run guidellm at one rate")
    metrics = benchmarks[0]["metrics"]
    totals = metrics.get("request_totals") or benchmarks[0].get("request_totals") or {}
    figures = distribution("latency_s", metrics["request_latency"]["successful"], 1.0)
    if first := metrics.get("time_to_first_token_ms"):
        figures |= distribution("ttft_s", first["successful"], 1000.0)
    requests = int(totals.get("successful", 0)) + int(totals.get("errored", 0))
    if requests:
        figures["availability"] = int(totals["successful"]) / requests
    figures["throughput_rps"] = float(metrics["requests_per_second"]["successful"]["mean"])
    return ForeignReport("guidellm", requests, figures, False)


def distribution(family: str, values: Mapping[str, Any], per_second: float) -> dict[str, float]:
    found = {
        f"{family}.{ours}": float(values["percentiles"][theirs]) / per_second
        for ours, theirs in QUANTILES.items()
        if theirs in values["percentiles"]
    }
    return found | {f"{family}.mean": float(values["mean"]) / per_second}
