"""``python -m tests.mutation [module …]``: would the tests notice? mutmut's mutants of the gateway, the providers and SimPy's driver.

By default a sample of every module's mutants, the same with the same ``--seed``; ``--all`` tries every one, and so do modules by name
(``sim.gateway.stages.retry``). The table goes to results/validation/mutation.md, unless modules are named. What is mutated, and which
tests are asked, is in pyproject.toml. mutmut changes what functions do: neither constants nor the defaults of states.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.mutation.equivalent import why_equivalent

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "results" / "validation" / "mutation.md"
WORKSHOP = ROOT / "mutants"
"""Where mutmut keeps its copy of the sources and what it found."""
FIRST = "sim.gateway.stages.cpu"  # few tests run this module; tried whole, for mutmut names its mutants once it has run
CAUGHT = {"killed": "tests", "timeout": "never ends", "segfault": "crash"}
NOT_TRIED = "not checked"
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
GAP = "a gap in the tests"


class Mutant(NamedTuple):
    """``name``: module, function and number, as mutmut has it. ``status``: in mutmut's words."""

    name: str
    status: str

    @property
    def module(self) -> str:
        return self.name.split(".x")[0]


class Change(NamedTuple):
    """Lines without their indentation, joined by a space."""

    before: str
    after: str


def mutmut(*arguments: str) -> str:
    return subprocess.run([sys.executable, "-m", "mutmut", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def run(names: list[str], until_s: float) -> None:
    """Try these mutants, all if none is named, until then at the longest. Raises SystemExit if the tests fail without any mutant."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(len(os.sched_getaffinity(0))), *names]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            code = process.wait(max(1.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # it stops its workers, and keeps what they have found
            process.wait()
            code = 0
        if code:
            log.seek(0)
            said = [line for line in log.read().splitlines() if line.strip() and line[0] not in SPINNER]
            raise SystemExit("\n".join(["mutmut could not try these mutants:", *said[-40:]]))


def found() -> list[Mutant]:
    lines = (line.strip().rpartition(": ") for line in mutmut("results", "--all", "true").splitlines() if ": " in line)
    return [Mutant(name, status) for name, _, status in lines]


def sample(mutants: list[Mutant], size: int, seed: int) -> list[str]:
    """So many of each module."""
    names: dict[str, list[str]] = {}
    for mutant in mutants:
        names.setdefault(mutant.module, []).append(mutant.name)
    return [name for module, each in names.items() for name in random.Random(f"{seed} {module}").sample(sorted(each), min(size, len(each)))]


def change(mutant: Mutant) -> Change:
    lines = [line for line in mutmut("show", mutant.name).splitlines() if line[:3] not in ("---", "+++")]
    before, after = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Change(before, after)


def judged(survivor: Mutant, change: Change) -> str:
    """Why no test can tell it from the right version; else GAP."""
    return why_equivalent(survivor.module, *change) or (f"{GAP}: none runs it" if survivor.status == "no tests" else GAP)


def row_of(survivor: Mutant, change: Change, why: str) -> str:
    cells = survivor.name.replace("__mutmut_", " "), f"`{change.before}` → `{change.after}`", why
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def report(mutants: list[Mutant], scope: str, wall_s: float) -> str:
    tried = [mutant for mutant in mutants if mutant.status != NOT_TRIED]
    survivors = sorted(mutant for mutant in tried if mutant.status not in CAUGHT)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        changes = list(pool.map(change, survivors))
    reasons = [judged(*each) for each in zip(survivors, changes, strict=True)]
    gaps = Counter(mutant.module for mutant, why in zip(survivors, reasons, strict=True) if why.startswith(GAP))
    by = Counter(CAUGHT[mutant.status] for mutant in tried if mutant.status in CAUGHT)
    lines = [
        "# Mutants of the gateway, tried and caught",
        "",
        f"{sum(by.values())} of {len(tried)} caught ({', '.join(f'{count} by: {who}' for who, count in by.most_common())}),",
        f"{len(survivors) - gaps.total()} cannot be told from the right version, {gaps.total()} are gaps. {scope}.",
        f"{wall_s:.0f} s, {datetime.date.today()}. Written by `python -m tests.mutation`; mutants by mutmut.",
        "",
        "| module | mutants | tried | caught | equivalent | gaps |",
        "|---|---|---|---|---|---|",
    ]
    for module, count in Counter(mutant.module for mutant in mutants).items():
        here = [mutant for mutant in tried if mutant.module == module]
        if here:
            caught = sum(mutant.status in CAUGHT for mutant in here)
            lines.append(f"| {module} | {count} | {len(here)} | {caught} | {len(here) - caught - gaps[module]} | {gaps[module]} |")
    lines += ["", "## Survivors", "Those that are equivalent: `tests/mutation/equivalent.py`.", ""]
    lines += ["| mutant | change | why |", "|---|---|---|"]
    lines += [row_of(*each) for each in zip(survivors, changes, reasons, strict=True)]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="module", help="every mutant of these, and no others")
    parser.add_argument("--all", action="store_true", help="every mutant of every module (an hour or two)")
    parser.add_argument("--size", type=int, default=25, help="mutants of each module in a sample (default 25)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default 1)")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so long (default: 30, no limit with --all)")
    given = parser.parse_args()
    started_s = time.monotonic()
    minutes = given.minutes or (24 * 60 if given.all else 30)
    until_s = started_s + 60 * minutes
    shutil.rmtree(WORKSHOP, ignore_errors=True)
    scope = "Every mutant"
    if given.modules:
        run([f"{module}.*" for module in given.modules], until_s)
        wanted = {mutant.name for mutant in found() if mutant.module in given.modules}
    elif given.all:
        run([], until_s)
        wanted = {mutant.name for mutant in found()}
    else:
        run([f"{FIRST}.*"], until_s)
        names = sample([mutant for mutant in found() if mutant.module != FIRST], given.size, given.seed)
        run(names, until_s)
        wanted = {*names, *(mutant.name for mutant in found() if mutant.module == FIRST)}
        scope = f"A sample: {given.size} mutants of each module, seed {given.seed}; `--all` tries every one"
    mutants = found()
    if missed := sum(mutant.status == NOT_TRIED for mutant in mutants if mutant.name in wanted):
        scope += f"; stopped after {minutes:g} min, {missed} were not reached"
    text = report(mutants, scope, time.monotonic() - started_s)
    if given.modules:
        print(text)
    else:
        PLACE.parent.mkdir(parents=True, exist_ok=True)
        PLACE.write_text(text)
        print(PLACE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
