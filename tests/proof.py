"""``python -m tests.proof``: predict and measure a few scenarios on this machine, and write results/validation/verify.md.

Run it with nothing else going on: a disturbed run is reported invalid, not averaged away.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CASES = [("demo", 1.0), ("demo", 3.0), ("validation/busy", 1.0)]
COLUMNS = [
    "scenario", "scale", "requests", "P50 predicted", "measured", "error", "P99 predicted", "measured", "error", "first token P99 error",
    "same outcome", "cost error", "verdict",
]  # fmt: skip


def verify(scenario: str, scale: float) -> dict[str, Any]:
    tenfold = Path(sys.executable).with_name("tenfold")
    done = subprocess.run(
        [tenfold, "verify", ROOT / "scenarios" / f"{scenario}.yaml", "--scale", str(scale), "--json"], stdout=subprocess.PIPE, check=False
    )
    return json.loads(done.stdout)


def row(scenario: str, scale: float, said: dict[str, Any]) -> str:
    compared = said["comparison"]
    p50, p99, ttft, cost = (compared[name] for name in ("latency_s.p50", "latency_s.p99", "ttft_s.p99", "cost_usd"))

    def seconds(entry: dict[str, Any], side: str) -> str:
        return f"{entry[side]['value'] * 1000:,.0f} ms"

    shares = " (outcomes by share)" if said.get("past_saturation") else ""
    cells = [
        scenario, f"{scale:g}x", f"{said['paired']['requests']:,}",
        seconds(p50, "predicted"), seconds(p50, "measured"), f"{p50['error']:+.1%}",
        seconds(p99, "predicted"), seconds(p99, "measured"), f"{p99['error']:+.1%}", f"{ttft['error']:+.1%}",
        f"{said['paired']['same_outcome']:.1%}", f"{cost['error']:+.1%}", "; ".join([said["verdict"] + shares, *said["why_invalid"]]),
    ]  # fmt: skip
    return table_row(cells)


def table_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    rows = [row(scenario, scale, verify(scenario, scale)) for scenario, scale in CASES]
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    lines = [
        "# Prediction beside measurement",
        "",
        f"`python -m tests.proof` on {datetime.now(UTC):%Y-%m-%d}, {machine}. Every part a process of its own.",
        "",
        table_row(COLUMNS),
        table_row(["---"] * len(COLUMNS)),
        *rows,
        "",
    ]
    place = ROOT / "results" / "validation" / "verify.md"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join(lines))
    print(place.read_text())


if __name__ == "__main__":
    main()
