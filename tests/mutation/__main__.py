"""``python -m tests.mutation [policy …]``: would the tests notice? Every mutant of the policies against the tests of policies and theory.

Each mutant runs in a forked process that imports the wrong module instead of the right one: first the quick tests, then the theory
entries about that policy. The table goes to results/validation/mutation.md.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib
import importlib.abc
import importlib.util
import multiprocessing
import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "results" / "validation" / "mutation.md"
QUICK = ["tests/sim/policy", "tests/sim/gateway/test_flow.py", "tests/sim/gateway/test_hedge.py"]
THEORY = {  # entries that are about a policy
    "admission": "mmck or erlang_a or priority or M_D",
    "breaker": "hystrix or reopen",
    "cache": "cache_exact or delayed or (ttl and T60)",
    "hedge": "hedge",
    "limiter": "rate_limiter",
    "retry": "retry",
}
PATIENCE_S = 120.0
GAP = "a gap in the tests"
PRELOADED = (
    "hypothesis",
    "numpy",
    "scipy.special",
    "simpy",
    "sim.stochastics.distributions",
    "sim.stochastics.random_streams",
    "sim.provider.pricing",
    "sim.scenario.load",
)
"""What every test needs, imported once before the forks. Nothing that imports a policy."""


class Result(NamedTuple):
    policy: str
    mutant: Mutant
    caught_by: str  # empty: survived


class Instead(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports ``source`` as module ``name``."""

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source

    def find_spec(self, fullname: str, path: object = None, target: object = None):
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def get_filename(self, fullname: str) -> str:
        return f"<mutant of {fullname}>"

    def get_data(self, path: str) -> bytes:
        return self.source.encode()


def run_tests(policy: str, source: str) -> None:
    """In a process of its own: exits with pytest's code, 1 if a test fails."""
    sys.meta_path.insert(0, Instead(f"sim.policy.{policy}", source))
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):  # noqa: PTH123
        options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
        code = pytest.main([*options, *QUICK])
        if code == 0 and policy in THEORY:
            code = 10 * pytest.main([*options, "tests/theory/test_theory.py", "-k", f"closed_form and ({THEORY[policy]})"])
    os._exit(int(code))


def attempt(policy: str, mutant: Mutant) -> Result:
    process = multiprocessing.get_context("fork").Process(target=run_tests, args=(policy, mutant.source))
    process.start()
    process.join(PATIENCE_S)
    if process.is_alive():
        process.kill()
        process.join()
        return Result(policy, mutant, "never ends")
    return Result(policy, mutant, {0: "", 10: "theory"}.get(process.exitcode or 0, "tests of the policies"))


def judged(survivor: Result) -> str:
    """Why no test can tell it from the right version; else GAP."""
    line = source_of(survivor.policy).splitlines()[survivor.mutant.line - 1].strip()
    return EQUIVALENT.get((survivor.policy, line, survivor.mutant.change), GAP)


def source_of(policy: str) -> str:
    return (ROOT / "sim" / "policy" / f"{policy}.py").read_text()


def table(results: list[Result], wall_s: float) -> str:
    kinds = list(dict.fromkeys(result.mutant.what for result in results))
    policies = list(dict.fromkeys(result.policy for result in results))
    tried = Counter((result.policy, result.mutant.what) for result in results)
    caught = Counter((result.policy, result.mutant.what) for result in results if result.caught_by)
    survivors = [result for result in results if not result.caught_by]
    by = Counter(result.caught_by for result in results if result.caught_by)
    lines = [
        "# Mutants of the policies, tried and caught",
        "",
        f"{len(results) - len(survivors)} of {len(results)} caught ({', '.join(f'{count} by {who}' for who, count in by.most_common())});",
        f"{wall_s:.0f} s, {datetime.date.today()}. Written by `python -m tests.mutation`. Caught / tried:",
        "",
        f"| policy | {' | '.join(kinds)} | all |",
        "|---" * (len(kinds) + 2) + "|",
    ]
    for policy in policies:
        cells = [f"{caught[policy, kind]}/{tried[policy, kind]}" if tried[policy, kind] else "" for kind in kinds]
        all_of = f"{sum(caught[policy, kind] for kind in kinds)}/{sum(tried[policy, kind] for kind in kinds)}"
        lines.append(f"| {policy} | {' | '.join(cells)} | {all_of} |")
    equivalent = sum(judged(one) != GAP for one in survivors)
    lines += [
        "",
        "## Survivors",
        f"{equivalent} cannot be told from the right version (`tests/mutation/equivalent.py`), {len(survivors) - equivalent} are gaps.",
        "",
        "| policy | line | change | why |",
        "|---|---|---|---|",
    ]
    lines += [f"| {one.policy} | {one.mutant.line} | `{one.mutant.change.replace('|', '/')}` | {judged(one)} |" for one in survivors]
    return "\n".join(lines) + "\n"


def main(wanted: list[str]) -> int:
    started_s = time.perf_counter()
    os.chdir(ROOT)
    for name in PRELOADED:
        importlib.import_module(name)

    policies = wanted or sorted(path.stem for path in (ROOT / "sim" / "policy").glob("*.py") if path.stem != "__init__")
    # As they stand they pass: so whatever a mutant does to the tests is its doing, an error while they are collected too.
    for policy in policies:
        source = source_of(policy)
        if (said := attempt(policy, Mutant("none", 0, "none", source))).caught_by:
            print(f"the tests fail without any mutant of {policy}: {said.caught_by}", file=sys.stderr)
            return 1
    jobs = [(policy, mutant) for policy in policies for mutant in mutants(source_of(policy))]
    print(f"{len(jobs)} mutants of {len(policies)} policies", file=sys.stderr)
    results: list[Result] = []
    with ThreadPoolExecutor(1 + len(os.sched_getaffinity(0))) as pool:
        for result in pool.map(lambda job: attempt(*job), jobs):
            results.append(result)
            if not result.caught_by:
                print(f"survived: {result.policy}:{result.mutant.line} {result.mutant.change}", file=sys.stderr, flush=True)
    text = table(results, time.perf_counter() - started_s)
    if wanted:
        print(text)
    else:
        PLACE.parent.mkdir(parents=True, exist_ok=True)
        PLACE.write_text(text)
        print(PLACE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
