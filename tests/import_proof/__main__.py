"""``python -m tests.import_proof [NAME …] [--trace LABEL=KIND:FILE[:MAP]] …``: logs of real gateways, and traces, imported and held
against themselves; results/validation/import.md is written.

Names are nginx, envoy, litellm (installed by ``python -m loadtest.targets.install``) and otel (OpenAI's SDK under OpenTelemetry's
instrumentation, installed on first use); default: all. Each plays the same minute of calls against the mock providers and writes its own
log. A trace is a file of yours in a format that ``tenfold import`` knows: ``--trace llmperf=table:llmperf.csv.gz:model=provider_model``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sim.gateway.language import load
from tests.benchmarks.keeping import ROOT, machine
from tests.import_proof.gateways import SCENARIO, otel, run

PLACE = ROOT / "results" / "validation" / "import.md"
KINDS = {"nginx": "nginx", "envoy": "envoy", "litellm": "litellm", "otel": "otel"}
BARS = {"latency_s.p50": 0.03, "latency_s.p99": 0.08, "cost_usd.per_request": 0.02}
COLUMNS = ("log", "kind", "calls", "P50", "P99", "cost", "within the bars", "rest of the log", "drift")


def imported(label: str, kind: str, log: Path, mapping: str, folder: Path) -> dict[str, Any]:
    out = folder / f"{label}.yaml"
    argv = [sys.executable, "-m", "loadtest.cli.main", "import", kind, str(log), "-o", str(out), "--json", "--quiet", "--force"]
    done = subprocess.run([*argv, *(["--map", mapping] if mapping else [])], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return row(label, kind, json.loads(done.stdout))


def row(label: str, kind: str, answer: dict[str, Any]) -> dict[str, Any]:
    found = answer["back_test"]["figures"]
    held, rest = {name: found[name]["error"] for name in BARS if name in found}, answer["hold_out"]
    off = {name: f"{error * 100:+.1f} %" for name, error in held.items()}
    return {
        "log": label, "kind": kind, "calls": f"{answer['calls']:,}", "P50": off.get("latency_s.p50", "–"),
        "P99": off.get("latency_s.p99", "–"), "cost": off.get("cost_usd.per_request", "–"),
        "within the bars": "yes" if held and all(abs(error) <= BARS[name] for name, error in held.items()) else "**no**" if held else "–",
        "rest of the log": "–" if rest is None else "within its interval" if rest["within_interval"] else "**outside**",
        "drift": "–" if rest is None else "; ".join(rest["drift"]) or "none",
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(KINDS), choices=[*KINDS, []])
    parser.add_argument("--trace", action="append", default=[], metavar="LABEL=KIND:FILE[:MAP]")
    parser.add_argument("--no-gateways", action="store_true", help="traces only")
    parser.add_argument("--duration", default="60s")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="tenfold-import-proof-") as name:
        folder, overrides = Path(name), (f"workload.duration={given.duration}",)
        arriving = load(SCENARIO, overrides).scenario.workload
        for each in [] if given.no_gateways else given.names:
            log = folder / f"{each}.log"
            if each == "otel":
                otel(log, int(arriving.arrivals.rate.rps * arriving.duration), arriving.arrivals.rate.rps, overrides)
            else:
                run(each, log, overrides)
            rows.append(imported(each, KINDS[each], log, "", folder))
            print(rows[-1], file=sys.stderr)
        for each in given.trace:
            label, _, rest = each.partition("=")
            kind, file, mapping = (*rest.split(":"), "")[:3]
            rows.append(imported(label, kind, Path(file).absolute(), mapping, folder))
            print(rows[-1], file=sys.stderr)
    write(rows)
    return 0


def write(rows: list[dict[str, Any]]) -> None:
    """Rows of logs that were not asked for stay as they are kept."""
    where, kept = machine(), kept_rows()
    kept |= {each["log"]: "| " + " | ".join(each[column] for column in COLUMNS) + " |" for each in rows}
    lines = [
        "# Imported logs, held against themselves", "",
        f"Last run {datetime.now(UTC):%Y-%m-%d}, {where['cores']} x {where['cpu']}, commit {where['commit']}. "
        "`python -m tests.import_proof` writes this page.", "",
        "Each log is imported, and the scenario predicted at 1x: its P50, P99 and cost beside the log's own (bars 3 %, 8 %, 2 %). Then the "
        "first 70 % of the log is fitted and the rest predicted: within the interval of what chance allows, or not. Drift: what a "
        "two-sample test of the first part against the rest finds changed, which no fit of the first part can know.", "",
        "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS), *kept.values(),
    ]  # fmt: skip
    PLACE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {PLACE}", file=sys.stderr)


def kept_rows() -> dict[str, str]:
    lines = PLACE.read_text(encoding="utf-8").splitlines() if PLACE.exists() else []
    cells = {line.split("|")[1].strip(): line for line in lines if line.startswith("| ")}
    return {name: line for name, line in cells.items() if name != "log"}


if __name__ == "__main__":
    sys.exit(main())
