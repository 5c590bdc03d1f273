"""``python -m tests.calibration_proof [NAME …]``: calibrate gateways of known policies by URL; results/validation/calibration.md.

Each gateway is started with its policies; ``tenfold calibrate --target url`` gets a scenario that declares none of them. With names only
those are calibrated, and the others stay as they are kept. Targets are installed by ``python -m loadtest.targets.install NAME``.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import sample
from tempfile import TemporaryDirectory
from typing import Any

from loadtest.calibration.calibrate import machine
from loadtest.targets.base import Place
from mockprovider.processes.supervisor import Crew, RunFailed
from sim.gateway.language import load
from tests.calibration_proof.cases import CASES, Case
from tests.calibration_proof.judge import NOTHING, OPEN, RIGHT, WRONG, Judgement, judge
from tests.proof import table_row

PLACE = Path(__file__).parents[2] / "results" / "validation"
PROVIDERS = ("p", "q", "r")
KEY = "CALIBRATION_PROOF_KEY"


def free_ports(count: int) -> int:
    """The first of so many free ones in a row."""
    for first in sample(range(20_100, 29_000, 10), 200):  # not all in order: several proofs may run side by side
        try:
            for port in range(first, first + count):
                with socket.create_server(("127.0.0.1", port)):
                    pass
        except OSError:
            continue
        return first
    raise RunFailed("there are no free ports in a row from 20100 to 29000")


def calibrate(case: Case, folder: Path, more: list[str]) -> dict[str, Any]:
    """The document of ``tenfold calibrate --json``, and under ``seconds`` how long it took. Raises RunFailed."""
    known, bare = folder / "known.yaml", folder / "bare.yaml"
    known.write_text(case.scenario(known=True))
    bare.write_text(case.scenario(known=False))
    port = free_ports(len(PROVIDERS))
    upstreams = {name: f"http://127.0.0.1:{port + place}" for place, name in enumerate(PROVIDERS)}
    (folder / "gateway").mkdir()
    with Crew(folder / "gateway") as crew:
        running = case.started(Place(load(known), known, upstreams, crew))
        client = running.client
        models = [f"--model={ours}={theirs}" for ours, theirs in (client.models or {"default": "m"}).items()]
        if case.program in ("reference", "litellm", "rolter"):  # they map names themselves
            models = []
        keys = [f"--key={KEY}"] if client.key else []
        begun = time.monotonic()
        done = subprocess.run(
            [Path(sys.executable).with_name("tenfold"), "calibrate", bare, "--target", "url", "--url", running.url, "--mock-port",
             str(port), *models, *keys, "-o", folder / "calibration.yaml", "--json", *more],
            stdout=subprocess.PIPE, check=False, env={**os.environ, KEY: client.key or ""},
        )  # fmt: skip
        if done.returncode:
            raise RunFailed(f"{case.name}: tenfold calibrate ended with {done.returncode}")
        return {**json.loads(done.stdout), "seconds": round(time.monotonic() - begun)}


def shown(configured: Any) -> str:
    if isinstance(configured, tuple):
        return " or ".join(shown(each) for each in configured)
    if isinstance(configured, list):
        return ", ".join(configured)
    return "–" if configured is NOTHING else str(configured)


def kept_as(row: Judgement) -> list[Any]:
    """What is configured as text: JSON knows no tuples."""
    return list(row if row.configured is NOTHING else row._replace(configured=shown(row.configured)))


def text_of(kept: dict[str, Any]) -> str:
    """``kept``: by case: when, how long it took, and its judgements."""
    here = machine()
    header = ["gateway", "date", "seconds", "policies it has: right", "absent ones: right", "not found out", "wrong, warned", "wrong"]
    counts, rows = [header, ["---"] * len(header)], [["gateway", "policy", "configured", "found", "", "how it was found out"], ["---"] * 6]
    for case in CASES:
        if (entry := kept.get(case.name)) is None:
            continue
        judged = [Judgement(*each) for each in entry["rows"]]
        counts.append([case.name, entry["date"], str(entry["seconds"]), *counted(judged)])
        for row in judged:
            verdict = f"{row.verdict}, warned" if row.warned else row.verdict
            rows.append([case.name, row.policy, shown(row.configured), row.found, verdict, row.evidence.replace("|", "\\|")])
    return f"""# Policies configured beside policies found

`python -m tests.calibration_proof` on {here.get("cpu") or "an unknown CPU"}, {len(os.sched_getaffinity(0))} cores.
Each gateway is calibrated by its URL, from a scenario that declares none of its policies. A dash: the gateway has no such policy, and the
calibration has to say so. *Not found out*: it says that it does not know, and leaves a scenario as it is. *Warned*: it says itself
why the figure may be wrong, or what it would not have seen.

{lines_of(counts)}

{lines_of(rows)}
"""


def counted(rows: Sequence[Judgement]) -> list[str]:
    has, absent = ([row for row in rows if (row.configured is NOTHING) == none] for none in (False, True))
    wrong = [row for row in rows if row.verdict == WRONG]
    right = [f"{sum(row.verdict == RIGHT for row in part)} of {len(part)}" for part in (has, absent)]
    warned = sum(row.warned for row in wrong)
    return [*right, str(sum(row.verdict == OPEN for row in rows)), str(warned), str(len(wrong) - warned)]


def lines_of(cells: Sequence[list[str]]) -> str:
    return "\n".join(table_row(row) for row in cells)


def main() -> int:
    more = [each for each in sys.argv[1:] if each.startswith("--")]
    asked = [each for each in sys.argv[1:] if not each.startswith("--")] or [case.name for case in CASES]
    if unknown := set(asked) - {case.name for case in CASES}:
        print(f"there are no cases {', '.join(unknown)}; there are {', '.join(case.name for case in CASES)}", file=sys.stderr)
        return 2
    file = PLACE / "calibration.json"
    failed = 0
    for case in CASES:
        if case.name not in asked:
            continue
        try:
            with TemporaryDirectory() as folder:
                document = calibrate(case, Path(folder), more)
        except RunFailed as why:
            print(f"{case.name}: {why}", file=sys.stderr)
            failed = 1
            continue
        rows = judge(case.policies, document)
        for row in rows:
            print(
                f"{case.name}: {row.policy}: {shown(row.configured)} | {row.found} | {row.verdict} | {row.evidence}",
                file=sys.stderr,
                flush=True,
            )
        if not more:
            kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}  # others may have been measured meanwhile
            kept[case.name] = {
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
                "seconds": document["seconds"],
                "rows": [kept_as(row) for row in rows],
            }
            file.write_text(json.dumps(kept, indent=1) + "\n")
            (PLACE / "calibration.md").write_text(text_of(kept))
    return failed


if __name__ == "__main__":
    sys.exit(main())
