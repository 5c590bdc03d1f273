"""``python -m tests.import_proof [NAME …] [--trace LABEL=KIND:FILE[:MAP]] …``: logs of real gateways, and traces, imported and held
against themselves; results/validation/import.json and import.md are written.

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
from pathlib import Path
from typing import Any

from sim.gateway.language import load
from tests.benchmarks.keeping import ROOT, machine
from tests.import_proof.gateways import SCENARIO, otel, run

PLACE = ROOT / "results" / "validation" / "import"
SCHEMA_VERSION = 1
KINDS = {"nginx": "nginx", "envoy": "envoy", "litellm": "litellm", "otel": "otel"}
BARS = {"latency_s.p50": 0.03, "latency_s.p99": 0.08, "cost_usd.per_request": 0.02}
SHORT = {"latency_s.p50": "P50", "latency_s.p99": "P99", "cost_usd.per_request": "cost"}
COLUMNS = ("log", "kind", "calls", *SHORT.values(), "within the bars", "rest of the log", "drift", "run")


def imported(label: str, kind: str, log: Path, mapping: str, folder: Path) -> dict[str, Any]:
    out = folder / f"{label}.yaml"
    argv = [sys.executable, "-m", "loadtest.cli.main", "import", kind, str(log), "-o", str(out), "--json", "--quiet", "--force"]
    done = subprocess.run([*argv, *(["--map", mapping] if mapping else [])], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return row(label, kind, json.loads(done.stdout))


def row(label: str, kind: str, answer: dict[str, Any]) -> dict[str, Any]:
    """What is kept of an import: errors as parts of the log's own figure, and the bars or the interval that were missed."""
    found, rest = answer["back_test"]["figures"], answer["hold_out"]
    errors = {name: found[name]["error"] for name in BARS if name in found}
    return {
        "log": label, "kind": kind, "calls": answer["calls"], "errors": errors,
        "outside": [name for name, error in errors.items() if abs(error) > BARS[name]],
        "hold_out": None if rest is None else {name: rest[name] for name in ("within_interval", "figures", "drift")},
        "says": answer["says"], "machine": {name: value for name, value in machine().items() if name in ("date", "cpu", "cores", "commit")},
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
    place = PLACE.with_suffix(".json")
    kept = {each["log"]: each for each in json.loads(place.read_text(encoding="utf-8"))["rows"]} if place.exists() else {}
    kept |= {each["log"]: each for each in rows}
    document = {"schema_version": SCHEMA_VERSION, "bars": BARS, "rows": list(kept.values())}
    place.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    PLACE.with_suffix(".md").write_text(page(list(kept.values())), encoding="utf-8")
    print(f"wrote {PLACE}.json and .md", file=sys.stderr)


def page(rows: list[dict[str, Any]]) -> str:
    where, present = rows[-1]["machine"], {each["log"] for each in rows}
    absent = [name for name in KINDS if name not in present]
    lines = [
        "# Imported logs, held against themselves", "",
        f"{where['cores']} x {where['cpu']}. `python -m tests.import_proof` writes this page.", "",
        "Each log is imported, and the scenario predicted at 1x: its P50, P99 and cost beside the log's own (bars 3 %, 8 %, 2 %). Then the "
        "first 70 % of the log is fitted and the rest predicted: within the interval of what chance allows, or not. Drift: what a "
        "two-sample test of the first part against the rest finds changed, which no fit of the first part can know.", "",
        "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(cells(each)) + " |" for each in rows), "", "## What fell outside", "",
        *(outside(rows) or ["Nothing of what was run."]), "",
        *([f"- not run, so not proven: {', '.join(absent)}"] if absent else []),
        *(f"- {each['log']}: too few calls to hold a part out, so no such proof" for each in rows if each["hold_out"] is None),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def cells(each: dict[str, Any]) -> list[str]:
    errors, rest = each["errors"], each["hold_out"]
    return [
        each["log"], each["kind"], f"{each['calls']:,}", *(f"{errors[name]:+.1%}" if name in errors else "–" for name in SHORT),
        "**no**" if each["outside"] else "yes" if errors else "–",
        "–" if rest is None else "within its interval" if rest["within_interval"] else "**outside**",
        "–" if rest is None else "; ".join(rest["drift"]) or "none", f"{each['machine']['date'][:10]}, {each['machine']['commit']}",
    ]  # fmt: skip


def outside(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"- {each['log']}: {SHORT[name]} is {each['errors'][name]:+.1%} off, its bar {BARS[name]:.0%}."
        for each in rows
        for name in each["outside"]
    ]
    for each in rows:
        if each["hold_out"] is not None and not each["hold_out"]["within_interval"]:
            drift = "; ".join(each["hold_out"]["drift"])
            lines.append(
                f"- {each['log']}: the rest of the log is not within its interval"
                + (f" (drift: {drift})." if drift else "; no drift seen.")
            )
    return lines


if __name__ == "__main__":
    sys.exit(main())
