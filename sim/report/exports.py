"""A run as other tools write their results: Locust's statistics CSV, k6's summary JSON, and HdrHistogram's percentile file.

Latencies in milliseconds, from the exact samples after the warm-up. Locust and k6 count failed requests in their latencies, too; the
percentile file has those of answered requests, as Tenfold's own figures.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator

import numpy as np

from sim.analysis.window import Window
from sim.data.run import Run

LOCUST_PERCENTILES = (0.5, 0.66, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 0.9999, 1.0)
LOCUST_COLUMNS = (
    "Type", "Name", "Request Count", "Failure Count", "Median Response Time", "Average Response Time", "Min Response Time",
    "Max Response Time", "Average Content Size", "Requests/s", "Failures/s",
    *(f"{quantile * 100:.6g}%" for quantile in LOCUST_PERCENTILES),
)  # fmt: skip
TICKS_PER_HALF = 5
"""Lines of a percentile file for every halving of what is left above: HdrHistogram's default."""


def locust_csv(run: Run) -> str:
    """``…_stats.csv``: a row for each request class and one for all, "Aggregated"."""
    window = Window(run)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(LOCUST_COLUMNS)
    for place, each in enumerate(run.scenario.workload.requests):
        if len(of_class := Window(run, classes=[place])):
            writer.writerow(["POST", each.name, *locust_fields(of_class)])
    writer.writerow(["", "Aggregated", *locust_fields(window)])
    return text.getvalue()


def locust_fields(window: Window) -> list[float]:
    times_ms, seconds = latencies_ms(window), max(window.seconds * window.run.replications, 1e-9)
    failed = len(window) - int(np.count_nonzero(window.served))
    if not len(times_ms):
        return [len(window), failed, *[0.0] * (len(LOCUST_COLUMNS) - 4)]
    figures = [np.median(times_ms), times_ms.mean(), times_ms.min(), times_ms.max(), 0.0, len(window) / seconds, failed / seconds]
    return [len(window), failed, *(round(float(each), 3) for each in [*figures, *np.quantile(times_ms, LOCUST_PERCENTILES)])]


def k6_json(run: Run) -> str:
    """What ``k6 run --summary-export`` writes; p(99) as with ``--summary-trend-stats``."""
    window = Window(run)
    seconds = max(window.seconds * run.replications, 1e-9)
    failed = len(window) - int(np.count_nonzero(window.served))
    first_ms = window["ttft_s"][~np.isnan(window["ttft_s"])] * 1000
    metrics = {
        "http_reqs": {"count": len(window), "rate": len(window) / seconds},
        "http_req_duration": trend(latencies_ms(window)),
        "http_req_waiting": trend(first_ms),
        "http_req_failed": {"passes": failed, "fails": len(window) - failed, "value": failed / max(1, len(window))},
    }
    return json.dumps({"metrics": metrics, "root_group": {"name": "", "path": "", "groups": {}, "checks": {}}}, indent=1) + "\n"


def trend(times_ms: np.ndarray) -> dict[str, float]:
    if not len(times_ms):
        return dict.fromkeys(("avg", "min", "med", "max", "p(90)", "p(95)", "p(99)"), 0.0)
    med, p90, p95, p99 = np.quantile(times_ms, (0.5, 0.9, 0.95, 0.99)).tolist()
    sides = {"avg": float(times_ms.mean()), "min": float(times_ms.min()), "med": med, "max": float(times_ms.max())}
    return sides | {"p(90)": p90, "p(95)": p95, "p(99)": p99}


def hdr_percentiles(run: Run) -> str:
    """HdrHistogram's ``outputPercentileDistribution``, which its plotter reads."""
    window = Window(run)
    times_ms = np.sort(window["latency_s"][window.available & ~np.isnan(window["latency_s"])]) * 1000
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
    for share in shares() if len(times_ms) else ():
        rank = max(1, math.ceil(share * len(times_ms)))
        left = f"{1 / (1 - share):14.2f}" if share < 1 else ""
        lines.append(f"{times_ms[rank - 1]:12.3f} {share:2.12f} {rank:10d} {left}".rstrip())
        if rank == len(times_ms) and share < 1:
            lines.append(f"{times_ms[-1]:12.3f} {1.0:2.12f} {rank:10d}")
            break
    mean, spread, most = (float(times_ms.mean()), float(times_ms.std()), float(times_ms[-1])) if len(times_ms) else (0.0, 0.0, 0.0)
    lines += [
        f"#[Mean    = {mean:12.3f}, StdDeviation   = {spread:12.3f}]",
        f"#[Max     = {most:12.3f}, Total count    = {len(times_ms):12d}]",
    ]
    return "\n".join([*lines, f"#[Buckets = {1:12d}, SubBuckets     = {len(times_ms):12d}]"]) + "\n"


def shares() -> Iterator[float]:
    """0, .1, …, .5, .55, … towards 1: TICKS_PER_HALF steps until half of what was left is left."""
    left = 1.0
    while left > 1e-12:
        for step in range(TICKS_PER_HALF):
            yield 1 - left * (1 - step / (2 * TICKS_PER_HALF))
        left /= 2


def latencies_ms(window: Window) -> np.ndarray:
    return window["latency_s"][~np.isnan(window["latency_s"])] * 1000


EXPORTS: dict[str, Callable[[Run], str]] = {"locust": locust_csv, "k6": k6_json, "hdr": hdr_percentiles}
