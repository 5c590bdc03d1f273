"""A sweep of 50 configurations of launch.yaml at 10x, 24,000 requests each: here, by two processes, and by a Dask cluster of two workers.

    python -m tests.benchmarks sweep [-- --configurations N]

Every sweep is the whole command in a process of its own, from its start to its tables and drawings. The first of them compiles the
scenario's stages, as on a fresh clone; the others find the code where that left it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.keeping import ROOT, keep

CONFIGURATIONS = 50
MOST_S = 60.0
WAITING = (0, 50, 100, 200, 400)


@contextmanager
def cluster(env: dict[str, str]) -> Iterator[str]:
    """The address of a scheduler with two workers of one thread each, as ``dask scheduler`` and ``dask worker`` start them."""
    from distributed import LocalCluster

    os.environ.update(env)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as started:
        yield started.scheduler_address


def sweep(configurations: int, env: dict[str, str], *who: str) -> tuple[float, dict[str, Any]]:
    """(seconds, the document) of one command."""
    concurrency = ",".join(str(16 + 8 * number) for number in range(-(-configurations // len(WAITING))))
    argv = [
        sys.executable, "-m", "loadtest.cli.main", "sweep", "scenarios/launch.yaml", "--scale", "10", "--replications", "1",
        "--vary", f"gateway.queue.concurrency={concurrency}", "--vary", f"gateway.queue.waiting={','.join(map(str, WAITING))}",
        "--json", "-q", *who,
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="tenfold-sweep-") as folder:
        begun = time.perf_counter()
        argv += ["-o", str(Path(folder) / "kept")]
        done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, check=True, env={**os.environ, **env})
        return time.perf_counter() - begun, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=CONFIGURATIONS)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    documents = []
    with tempfile.TemporaryDirectory(prefix="tenfold-code-") as code:
        env = {"TENFOLD_CACHE_DIR": code}

        def note(who: str, *options: str) -> None:
            wall_s, document = sweep(given.configurations, env, *options)
            documents.append(document)
            requests = sum(sum(each["outcomes"].values()) for each in document["configurations"])
            made = len(document["configurations"])
            rows.append({"who": who, "configurations": made, "requests counted": f"{requests:,}", "wall s": round(wall_s, 1)})

        note("one process, compiling")
        note("one process")
        note("two processes", "--workers", "2")
        with cluster(env) as address:
            note("Dask, two workers, their first", "--cluster", address)
            note("Dask, two workers", "--cluster", address)
    slowest = max(row["wall s"] for row in rows)
    verdicts = {
        f"{rows[0]['configurations']} configurations within {MOST_S:g} s, whoever computes (at most {slowest:g} s)": slowest <= MOST_S,
        "the same document from all of them": all(document == documents[0] for document in documents),
    }
    keep("sweep", "A sweep of 50 configurations", rows, verdicts, __doc__.split("\n\n", 2)[2].strip())


if __name__ == "__main__":
    main()
