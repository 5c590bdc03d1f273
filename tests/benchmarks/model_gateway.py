"""Tenfold's model against the same gateway in naive SimPy, at 1x and 100x, records kept; and its speed on launch.yaml as it stands.

    python -m tests.benchmarks.model_gateway [--rounds 5] [--quick]

CPU time, interleaved, medians. ``gateway`` is launch.yaml with all its features and room to serve its traffic (gateway.yaml), with K times
the room at K x; the naive model has its stages (naive_simpy.py). ``refused`` has the features that compiled code once refused
(refused.yaml), with K times the room too. ``launch`` is launch.yaml itself, whose capacity stays as it is. Predictions are whole commands
from start to exit in wall time, in an empty cache: median of three.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from math import nan
from statistics import median
from typing import Any

from tests.benchmarks.interleaved import ROOT, race, rates
from tests.benchmarks.keeping import keep


def trial(engine: str, case: str, scale: int, duration: str) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks.trial", engine, case, str(scale), duration, "{seed}"]


def cold_wall_s(scenario: str, *options: str) -> float:
    """``tenfold predict SCENARIO``, 10 replications, from start to exit, where nothing has been compiled before."""
    command = [sys.executable, "-m", "loadtest.cli.main", "predict", str(ROOT / "scenarios" / scenario), *options, "--json", "-q"]
    with tempfile.TemporaryDirectory() as empty:
        begun = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | {"TENFOLD_CACHE_DIR": empty})
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
    contestants |= {f"refused {engine} {k}x": trial(engine, "refused", k, lengths[k]) for k in (1, 100) for engine in ("simpy", "compiled")}
    contestants |= {f"launch {engine} {k}x": trial(engine, "launch", k, "10m") for k in (1, 100) for engine in ("simpy", "compiled")}
    results = race(contestants, given.rounds)
    speed = dict.fromkeys(contestants, nan) | rates(results)
    predictions = {"launch.yaml --scale 100": 12.0, "demo.yaml": 3.0}
    walls_s = {what: median(cold_wall_s(*what.split()) for _ in range(1 if given.quick else 3)) for what in predictions}
    rows: list[dict[str, Any]] = [
        {
            "contestant": name, "requests": found[0]["requests"], "attempts": found[0]["attempts"], "requests/s": round(speed[name]),
            "µs/request": round(1e6 / speed[name], 2), "peak MB": round(max(row["peak_mb"] for row in found)),
        }
        for name, found in results.items()
    ]  # fmt: skip
    rows += [{"contestant": f"tenfold predict {what}, nothing compiled", "wall s": round(wall_s, 1)} for what, wall_s in walls_s.items()]
    verdicts = {}
    for engine, k, bar in (("simpy", 1, 4), ("simpy", 100, 12), ("compiled", 1, 15), ("compiled", 100, 80)):
        ratio = speed[f"{engine} {k}x"] / speed[f"naive {k}x"]
        verdicts[f"{engine} driver at {k}x: at least {bar} times naive SimPy ({ratio:.1f}x)"] = ratio >= bar
    for engine in ("simpy", "compiled"):
        ratio = speed[f"{engine} 1x"] / speed[f"{engine} 100x"]
        verdicts[f"{engine} driver: a request at 100x costs at most 2 times that at 1x ({ratio:.2f}x)"] = ratio <= 2
    for name, words, least in (
        ("compiled 100x", "gateway.yaml", 2_000_000),
        ("refused compiled 100x", "refused.yaml", 1_000_000),
        ("launch compiled 100x", "launch.yaml", 1_000_000),
    ):
        verdicts[f"compiled driver on {words} at 100x: at least {least:,} requests/s ({speed[name]:,.0f})"] = speed[name] >= least
    for what, most_s in predictions.items():
        verdicts[f"tenfold predict {what}, nothing compiled, within {most_s:g} s ({walls_s[what]:.1f} s)"] = walls_s[what] <= most_s
    notes = (__doc__ or "").split("\n\n", 2)[2].strip()
    keep("model_gateway", "The model against naive SimPy: requests per CPU second", rows, verdicts, notes)


if __name__ == "__main__":
    main()
