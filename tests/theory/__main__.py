"""``python -m tests.theory [part of a name]``: every entry in whole, its closed form beside it, into results/validation/theory.md."""

from __future__ import annotations

import datetime
import platform
import subprocess
import sys
import time
from pathlib import Path

from sim.engine.executors import open_executor
from tests.theory.suite import ENTRIES, NOT_SAID, Row, check_all, family_of

PLACE = Path(__file__).parents[2] / "results" / "validation" / "theory.md"


def table(rows: list[Row]) -> list[str]:
    lines = [
        "| entry | figure | closed form | predicted | interval, Bonferroni | half-width (95 %) | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = row.expected
        known = f"{(low + high) / 2:.6g}" if high - low < 2e-5 * abs(high) else f"{low:.6g} … {high:.6g}"
        found = row.verdict
        wide = f"{found.half_width:.2%}" + (
            f" ({row.goal})" if isinstance(row.goal, str) else "" if row.narrow else f" (asked: {row.goal:.0%})"
        )
        says = "inside" if found.inside else "**outside**"
        lines.append(
            f"| {row.entry.name} | {row.figure} | {known} | {found.value:.6g} | {found.low:.6g} … {found.high:.6g} | {wide} | {says} |"
        )
    return lines


def scenarios(rows: list[Row]) -> list[str]:
    lines = ["| entry | requests | engine | `tenfold predict scenarios/validation/mm1.yaml` with |", "|---|---|---|---|"]
    for row in {row.entry.name: row for row in rows}.values():
        entry = row.entry
        times = [f"workload.duration={entry.warmup_s + entry.duration_s:g}s", f"workload.warmup={entry.warmup_s:g}s"]
        said = " ".join(f"--set '{each}'" for each in (*entry.sets, *times))
        seeds = "" if entry.seeds == 1 else f" (seeds 1 to {entry.seeds})"
        command = f"--replications {entry.replications} {said.replace('|', '/')}"
        lines.append(f"| {entry.name} | {row.requests:,} | {row.engine} | `{command}`{seeds} |")
    return lines


def report(rows: list[Row], wall_s: float) -> str:
    inside = sum(row.verdict.inside for row in rows)
    held = [row for row in rows if not isinstance(row.goal, str)]
    narrow = sum(row.narrow for row in held)
    requests = sum({row.entry.name: row.requests for row in rows}.values())
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=PLACE.parent, check=False
    ).stdout.strip()
    lines = [
        "# The model beside queueing theory",
        "",
        f"{inside} of {len(rows)} figures inside their intervals; {narrow} of {len(held)} intervals as narrow as asked: half-width ≤ 2 %",
        f"on means and on shares of a tenth or more, ≤ 5 % on quantiles; for the {len(rows) - len(held)} rarer shares no width is asked.",
        f"{requests:,} requests in {wall_s:.0f} s; {datetime.date.today()}, commit {commit}, Python {platform.python_version()} on",
        f"{platform.machine()}. Written by `python -m tests.theory`.",
        "",
        "Intervals come from independent replications (Student's t). All figures together are 95 % certain (Bonferroni), so a single one",
        "outside is a defect. Units: seconds, requests per second, shares.",
        "",
        *table(rows),
        "",
        "## What cannot be said in a scenario",
        "| entry | reason |",
        "|---|---|",
        *(f"| {name} | {reason} |" for name, reason in NOT_SAID.items()),
        "",
        "## The scenarios",
        *scenarios(rows),
    ]
    return "\n".join(lines) + "\n"


def main(wanted: str = "") -> int:
    started_s = time.perf_counter()
    entries = [entry for entry in ENTRIES if wanted in entry.name]
    print(f"{len(entries)} entries, {family_of(entries)} figures", file=sys.stderr)
    with open_executor(None) as executor:
        rows = check_all(entries, executor, lambda name: print(f"{time.perf_counter() - started_s:6.0f} s  {name}", file=sys.stderr))
    text = report(rows, time.perf_counter() - started_s)
    if wanted:
        print(text)
    else:
        PLACE.parent.mkdir(parents=True, exist_ok=True)
        PLACE.write_text(text)
        print(PLACE)
    return 0 if all(row.verdict.inside and row.narrow for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
