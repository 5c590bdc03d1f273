"""``python -m tests.proof [TARGET …]``: predict and measure scenarios on this machine, and write results/validation/verify.md.

Run it with nothing else going on: a disturbed run is reported invalid, not averaged away. With targets only their rows are measured, and
the others stay as they are kept. Gateways of others are installed by ``python -m loadtest.targets.install NAME``.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from loadtest.targets import install
from mockprovider.processes.supervisor import RunFailed

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "results" / "validation"


class Case(NamedTuple):
    """``calibrate``: experiments whose figures are laid over the scenario first, at the scenario's own rate."""

    target: str
    scenario: str
    scale: float = 1.0
    calibrate: str = ""


CASES = [
    Case("reference", "demo"),
    Case("reference", "demo", 3.0),
    Case("reference", "validation/busy"),
    Case("haproxy", "validation/proxy-queue"),
    Case("haproxy", "validation/proxy-stream"),
    Case("haproxy", "validation/proxy", 10.0),
    Case("envoy", "validation/proxy-queue"),
    Case("envoy", "validation/proxy", 10.0),
    Case("nginx", "validation/proxy", 10.0),
    Case("ferrogw", "validation/proxy-queue"),
    Case("ferrogw", "validation/proxy", 10.0),
    Case("rolter", "validation/proxy", 10.0),
    Case("litellm", "validation/litellm", 4.0, "costs"),
    Case("litellm", "validation/litellm", 10.0, "costs"),
]
COLUMNS = [
    "target", "scenario", "scale", "requests", "P50 predicted", "measured", "error", "P99 predicted", "measured", "error",
    "added P50 predicted", "measured", "first token P50 error", "P99 error", "same outcome", "cost error", "verdict",
]  # fmt: skip


def tenfold(*arguments: Any) -> str:
    done = subprocess.run([Path(sys.executable).with_name("tenfold"), *map(str, arguments)], stdout=subprocess.PIPE, check=False)
    return done.stdout.decode()


def verify(case: Case) -> dict[str, Any]:
    """What ``tenfold verify --json`` said, calibrated first if the case asks for it."""
    scenario = ROOT / "scenarios" / f"{case.scenario}.yaml"
    with TemporaryDirectory() as folder:
        found = Path(folder) / "calibration.yaml"
        if case.calibrate:
            tenfold("calibrate", scenario, "--target", case.target, "--only", case.calibrate, "-o", found, "-q")
        laid = ["--calibration", found] if case.calibrate else []
        return json.loads(tenfold("verify", scenario, "--target", case.target, "--scale", case.scale, *laid, "--json"))


def row(case: Case, said: dict[str, Any]) -> str:
    names = ("latency_s.p50", "latency_s.p99", "added_latency_s.p50", "ttft_s.p50", "ttft_s.p99", "cost_usd")
    p50, p99, added, first, first_p99, cost = (said["comparison"][name] for name in names)
    shares = " (outcomes by share)" if said.get("past_saturation") else ""
    cells = [
        case.target, case.scenario + (", calibrated" if case.calibrate else ""), f"{case.scale:g}x", f"{said['paired']['requests']:,}",
        *sides(p50), error(p50), *sides(p99), error(p99), *sides(added, 1), error(first), error(first_p99),
        f"{said['paired']['same_outcome']:.1%}", error(cost), "; ".join([said["verdict"] + shares, *said["why_invalid"]]),
    ]  # fmt: skip
    return table_row(cells)


def sides(entry: dict[str, Any], digits: int = 0) -> list[str]:
    return ["–" if (value := entry[side]["value"]) is None else f"{value * 1000:,.{digits}f} ms" for side in ("predicted", "measured")]


def error(entry: dict[str, Any]) -> str:
    return "–" if entry["error"] is None else f"{entry['error']:+.1%}"


def table_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def is_installed(target: str) -> bool:
    if target == "reference":
        return True
    try:
        install.program(target)
    except RunFailed as missing:
        print(missing, file=sys.stderr)
        return False
    return True


def main() -> int:
    known = list(dict.fromkeys(case.target for case in CASES))
    asked = sys.argv[1:] or [target for target in known if is_installed(target)]
    if unknown := set(asked) - set(known):
        print(f"there are no cases of {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    kept = PLACE / "verify.json"
    rows: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    for case in CASES:
        if case.target in asked:
            name = f"{case.target} {case.scenario} {case.scale:g}"
            rows[name] = row(case, verify(case))
            print(rows[name], file=sys.stderr, flush=True)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(rows, indent=1) + "\n")
    text = [
        "# Prediction beside measurement",
        "",
        f"`python -m tests.proof` on {datetime.now(UTC):%Y-%m-%d}, {machine}. Every part a process of its own; one run a row.",
        "",
        table_row(COLUMNS),
        table_row(["---"] * len(COLUMNS)),
        *rows.values(),
        "",
    ]
    (PLACE / "verify.md").write_text("\n".join(text))
    print("\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
