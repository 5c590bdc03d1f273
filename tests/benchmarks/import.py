"""Importing logs of ten million rows: LiteLLM's spend log, Envoy AI Gateway's access log and nginx's.

    python -m tests.benchmarks import [-- --rows N] [--kinds litellm,envoy,nginx] [--logs DIR]

Each import is the whole command in a process of its own: reading, fits, the back-test of its prediction at 1x, a hold-out over the last
million calls, pictures. Peak GB is the most that the process and those it starts held together, by their resident sizes every 50 ms.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.keeping import ROOT, keep
from tests.benchmarks.logs_written import WRITERS, write_log

ROWS = 10_000_000
MOST_S, MOST_GB = 120.0, 2.0
SAMPLE_S = 0.05


def resident(process: psutil.Process) -> int:
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def trial(kind: str, log: Path, out: Path) -> dict[str, Any]:
    argv = [sys.executable, "-m", "loadtest.cli.main", "import", kind, str(log), "-o", str(out), "--json", "--quiet"]
    begun, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile() as said, subprocess.Popen(argv, cwd=ROOT, stdout=said) as running:
        process = psutil.Process(running.pid)
        while running.poll() is None:
            try:
                peak = max(peak, resident(process))
            except psutil.NoSuchProcess:
                break
            time.sleep(SAMPLE_S)
        wall_s = time.perf_counter() - begun
        said.seek(0)
        if running.wait():
            raise SystemExit(f"import {kind} ended with {running.returncode}")
        answer = json.loads(said.read())
    return {"wall_s": wall_s, "peak_gb": peak / 1e9, "answer": answer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--kinds", default=",".join(WRITERS))
    parser.add_argument("--logs", type=Path, metavar="DIR", help="where logs are kept for the next time (default: nowhere)")
    parser.add_argument("--write-only", action="store_true", help="with --logs: the logs only")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    verdicts = {}
    with tempfile.TemporaryDirectory(prefix="tenfold-import-") as folder:
        for kind in given.kinds.split(","):
            log = (given.logs or Path(folder)) / f"{kind}-{given.rows}.log"
            size = log.stat().st_size if log.exists() else write_log(kind, given.rows, log)
            if given.write_only:
                continue
            found = trial(kind, log, Path(folder) / f"{kind}.yaml")
            if given.logs is None:
                log.unlink()
            answer = found["answer"]
            off = {name: f"{each['error']:+.1%}" for name, each in answer["back_test"]["figures"].items()}
            rows.append(
                {
                    "log": kind, "rows": given.rows, "GB of log": round(size / 1e9, 2), "calls read": answer["calls"],
                    "wall s": round(found["wall_s"], 1), "peak GB": round(found["peak_gb"], 2),
                    "rows/s": round(given.rows / found["wall_s"]), "P50": off["latency_s.p50"], "P99": off["latency_s.p99"],
                    "cost": off.get("cost_usd.per_request", ""),
                }
            )  # fmt: skip
            whole = answer["calls"] == given.rows
            words = (
                f"{kind}: {given.rows:,} rows within {MOST_S:g} s ({found['wall_s']:.0f} s) and {MOST_GB:g} GB ({found['peak_gb']:.2f} GB)"
            )
            verdicts[words] = whole and found["wall_s"] <= MOST_S and found["peak_gb"] <= MOST_GB
    if rows:
        keep("import", "Importing long logs", rows, verdicts, __doc__.split("\n\n", 2)[2].strip())


if __name__ == "__main__":
    main()
