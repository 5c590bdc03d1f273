"""Keeps what a benchmark found: results/benchmarks/NAME.json for machines and NAME.md for people, with machine, date and commit.

``TENFOLD_BENCHMARKS_DIR`` says where else, for a trial that is not to be kept.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("TENFOLD_BENCHMARKS_DIR") or ROOT / "results" / "benchmarks")
PACKAGES = ("aiohttp", "numba", "numpy", "orjson", "simpy", "uvloop")


def machine() -> dict[str, Any]:
    """Where and when the figures were measured."""
    cpus = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"), "cpu": cpus[0] if cpus else platform.processor(), "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}", "python": platform.python_version(), "commit": commit,
        "load_average": os.getloadavg()[0], "packages": {name: version(name) for name in PACKAGES},
    }  # fmt: skip


def keep(name: str, title: str, rows: list[dict[str, Any]], verdicts: dict[str, bool], notes: str = "") -> None:
    """Write both files and print the table. ``verdicts``: the bar in words -> whether it was reached."""
    where = machine()
    FOLDER.mkdir(parents=True, exist_ok=True)
    document = {"schema_version": 1, "benchmark": name, "machine": where, "rows": rows, "verdicts": verdicts}
    (FOLDER / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [
        f"# {title}", "",
        f"{where['date']} · {where['cores']} x {where['cpu']} · Python {where['python']} · commit {where['commit']} · "
        f"load {where['load_average']:.2f} at the end", "",
        "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns),
        *("| " + " | ".join(str(row.get(column, "")) for column in columns) + " |" for row in rows), "",
        *(f"- {'reached' if reached else '**missed**'}: {bar}" for bar, reached in verdicts.items()),
    ]  # fmt: skip
    text = "\n".join([*lines, *(["", notes] if notes else [])]) + "\n"
    (FOLDER / f"{name}.md").write_text(text)
    print(text)
