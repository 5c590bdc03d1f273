"""Memory of long predictions with their summaries: 10 million requests held, 20 million spilled to Parquet as they go.

    python -m tests.benchmarks.model_memory [--quick]

Each run is a process of its own, 10 replications of gateway.yaml at 100x as compiled code; peak MB is the most that the process ever
held, CPU s that of prediction and summary together. The process does all replications itself, so what simulates them is in the peak.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from sim.data.spill import MOST_IN_MEMORY
from tests.benchmarks.interleaved import ROOT
from tests.benchmarks.keeping import keep

MOST_GB = 4.0
RUNS = ((10, 200, False), (20, 400, True))
"""Million requests, the seconds of traffic that have them, whether memory should hold them."""
WORDS = {False: "held in memory", True: "spilled to Parquet"}


def trial(seconds: int, rows_in_memory: int) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.benchmarks.memory_trial", f"{seconds}s", str(rows_in_memory)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests, in a tenth of the memory, for a look")
    part = 10 if parser.parse_args().quick else 1
    rows: list[dict[str, Any]] = []
    verdicts = {}
    for millions, seconds, spills in RUNS:
        found = trial(seconds // part, MOST_IN_MEMORY // part)
        peak_gb = found["peak_mb"] * 2**20 / 1e9
        rows.append(
            {
                "rows": WORDS[found["spilled"]], "requests": found["requests"], "attempts": found["attempts"],
                "peak MB": round(found["peak_mb"]), "CPU s": round(found["predict_cpu_s"] + found["summary_cpu_s"], 1),
                "of it summary": round(found["summary_cpu_s"], 1),
            }
        )  # fmt: skip
        whole = found["requests"] > 0.99e6 * millions / part and found["spilled"] == spills
        bar = f"{millions / part:g} million requests with their summary, {WORDS[spills]}: under {MOST_GB:g} GB ({peak_gb:.2f} GB)"
        verdicts[bar] = whole and peak_gb < MOST_GB
    keep("model_memory", "Memory of long predictions", rows, verdicts, __doc__.split("\n\n", 2)[2].strip())


if __name__ == "__main__":
    main()
