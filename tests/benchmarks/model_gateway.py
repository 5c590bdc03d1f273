"""Tenfold's model against the same gateway in naive SimPy, at 1x and 100x, records kept; and its speed on launch.yaml as it stands.

    python -m tests.benchmarks.model_gateway [--rounds 5] [--quick]

CPU time, interleaved, medians. ``gateway`` is launch.yaml with all its features and room to serve its traffic (gateway.yaml), with K times
the room at K x; the naive model has its stages (naive_simpy.py). ``launch`` is launch.yaml itself, whose capacity stays as it is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from tests.benchmarks.interleaved import ROOT, race, rates
from tests.benchmarks.keeping import keep


def trial(engine: str, case: str, scale: int, duration: str) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks.trial", engine, case, str(scale), duration, "{seed}"]


def predict_wall_s() -> float:
    """``tenfold predict launch.yaml --scale 100``, 10 replications, from start to exit."""
    command = [
        sys.executable,
        "-m",
        "loadtest.cli.main",
        "predict",
        str(ROOT / "scenarios" / "launch.yaml"),
        "--scale",
        "100",
        "--json",
        "-q",
    ]
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    wall_s = time.perf_counter() - begun
    assert json.loads(done.stdout)["runs"][0]["replications"] == 10
    return wall_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="short trials, for a look")
    given = parser.parse_args()
    lengths = {1: "5m", 100: "10s"} if given.quick else {1: "10m", 100: "30s"}
    contestants = {f"{engine} {k}x": trial(engine, "gateway", k, lengths[k]) for k in (1, 100) for engine in ("naive", "simpy", "compiled")}
    contestants |= {f"launch {engine} {k}x": trial(engine, "launch", k, "10m") for k in (1, 100) for engine in ("simpy", "compiled")}
    results = race(contestants, given.rounds)
    speed = rates(results)
    wall_s = predict_wall_s()
    rows: list[dict[str, Any]] = [
        {
            "contestant": name, "requests": found[0]["requests"], "attempts": found[0]["attempts"], "requests/s": round(speed[name]),
            "µs/request": round(1e6 / speed[name], 2), "peak MB": round(max(row["peak_mb"] for row in found)),
        }
        for name, found in results.items()
    ]  # fmt: skip
    rows.append({"contestant": "tenfold predict launch.yaml --scale 100: wall s", "µs/request": "", "requests/s": round(wall_s, 1)})
    verdicts = {}
    for engine, k, bar in (("simpy", 1, 2), ("simpy", 100, 10), ("compiled", 1, 15), ("compiled", 100, 80)):
        ratio = speed[f"{engine} {k}x"] / speed[f"naive {k}x"]
        verdicts[f"{engine} world at {k}x: at least {bar} times naive SimPy ({ratio:.1f}x)"] = ratio >= bar
    for engine in ("simpy", "compiled"):
        ratio = speed[f"{engine} 1x"] / speed[f"{engine} 100x"]
        verdicts[f"{engine} world: a request at 100x costs at most 2 times that at 1x ({ratio:.2f}x)"] = ratio <= 2
    fastest = speed["launch compiled 100x"]
    verdicts[f"compiled world on launch.yaml at 100x: at least 1,000,000 requests/s ({fastest:,.0f})"] = fastest >= 1e6
    verdicts[f"tenfold predict launch.yaml --scale 100 within 15 s ({wall_s:.1f} s)"] = wall_s <= 15
    keep("model_gateway", "The model against naive SimPy: requests per CPU second", rows, verdicts, __doc__.split("\n\n", 2)[2].strip())


if __name__ == "__main__":
    main()
