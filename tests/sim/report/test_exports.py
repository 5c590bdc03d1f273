"""A run as other tools write it, read back as theirs: the figures are the run's own."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sim.analysis.metrics import measure
from sim.data.outcomes import ERROR
from sim.report.exports import EXPORTS, LOCUST_COLUMNS
from sim.report.foreign import beside
from sim.results.foreign_reports import NotAReport, read_report
from tests.sim.synthetic_runs import rows, run_of

LATENCIES_S = np.random.default_rng(3).lognormal(0.0, 0.5, 4000)
RUN = run_of(rows(4000, arrival_s=60 + np.arange(4000) * 0.135, latency_s=LATENCIES_S, ttft_s=LATENCIES_S / 4, kind=np.arange(4000) % 2))


@pytest.mark.parametrize("form", ["locust", "k6"])
def test_what_is_written_reads_back_as_the_run_s_own_figures(form: str, tmp_path: Path) -> None:
    (tmp_path / "report").write_text(EXPORTS[form](RUN))
    report = read_report(tmp_path / "report")
    assert report.requests == 4000
    for name in ("latency_s.mean", "latency_s.p50", "latency_s.p99", "availability", "throughput_rps"):
        assert report.figures[name] == pytest.approx(measure(RUN, name).value, rel=0.01), name
    assert abs(beside(RUN, "ab" * 32, report)["comparison"]["latency_s.p95"]["error"]) < 1e-4


def test_locust_has_its_own_columns_and_a_row_for_each_class() -> None:
    names = [row["Name"] for row in csv.DictReader(io.StringIO(EXPORTS["locust"](RUN)))]
    assert names == ["faq", "reasoning", "Aggregated"]
    asked = "from locust import stats; print(*stats.StatsCSV(None, stats.PERCENTILES_TO_REPORT).requests_csv_columns, sep='\\n')"
    theirs = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)  # Locust patches what imports it
    assert list(LOCUST_COLUMNS) == theirs.stdout.splitlines()


def test_the_percentile_file_ends_at_the_largest_and_counts_all() -> None:
    header, _, *lines = EXPORTS["hdr"](RUN).splitlines()
    values = np.array([[float(part) for part in line.split()[:3]] for line in lines if not line.startswith("#")])
    assert header.split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert np.all(np.diff(values, axis=0) >= 0)
    assert values[-1].tolist() == pytest.approx([LATENCIES_S.max() * 1000, 1.0, 4000])
    median = values[values[:, 1] == 0.5][0]
    assert median[0] == pytest.approx(np.median(LATENCIES_S) * 1000, rel=0.01)
    assert "Total count    =         4000" in lines[-2]


def test_failures_count_as_failures() -> None:
    made = rows(1000, arrival_s=60 + np.arange(1000) * 0.5)
    made["outcome"][:100] = ERROR
    assert json.loads(EXPORTS["k6"](run_of(made)))["metrics"]["http_req_failed"] == {"passes": 100, "fails": 900, "value": 0.1}


def guidellm_report(**changes: object) -> dict[str, object]:
    """In the form of its GenerativeBenchmarksReport."""
    seconds = {"successful": {"mean": 1.2, "percentiles": {"p50": 1.0, "p99": 3.0}}}
    first = {"successful": {"mean": 120.0, "percentiles": {"p50": 100.0, "p99": 300.0}}}
    totals = {"successful": 99, "errored": 1, "incomplete": 3, "total": 103}
    metrics = {"request_latency": seconds, "time_to_first_token_ms": first, "requests_per_second": {"successful": {"mean": 4.0}}}
    return {"benchmarks": [{"metrics": metrics | {"request_totals": totals}}]} | changes


def test_guidellm_s_report_has_seconds_and_milliseconds(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(guidellm_report()))
    report = read_report(tmp_path / "report.json")
    assert report.figures == pytest.approx(
        {
            "latency_s.mean": 1.2,
            "latency_s.p50": 1.0,
            "latency_s.p99": 3.0,
            "ttft_s.mean": 0.12,
            "ttft_s.p50": 0.1,
            "ttft_s.p99": 0.3,
            "availability": 0.99,
            "throughput_rps": 4.0,
        }
    )


def test_k6_s_other_form_has_its_numbers_below_values(tmp_path: Path) -> None:
    duration = {"type": "trend", "contains": "time", "values": {"avg": 200.0, "med": 150.0, "p(95)": 900.0}}
    metrics = {
        "http_req_duration": duration,
        "http_reqs": {"values": {"count": 10, "rate": 2.0}},
        "http_req_failed": {"values": {"rate": 0.5}},
    }
    (tmp_path / "summary.json").write_text(json.dumps({"metrics": metrics}))
    figures = read_report(tmp_path / "summary.json").figures
    assert figures == {"latency_s.mean": 0.2, "latency_s.p50": 0.15, "latency_s.p95": 0.9, "availability": 0.5, "throughput_rps": 1.0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "expected a k6 summary"),
        ('{"metrics": {"vus": {}}}', "expected a k6 summary"),
        ("Type,Name\n,one\n", "expected a k6 summary"),
        ('{"metrics": ', "looks like a report, but cannot be read"),
        (json.dumps(guidellm_report(benchmarks=[])), "expected a report of one benchmark, found 0"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_report_is_refused(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "report").write_text(content)
    with pytest.raises(NotAReport, match=message):
        read_report(tmp_path / "report")
