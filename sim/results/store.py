"""The run directory: everything a result consists of, written whole or not at all, and read back without trust.

manifest.json     versions, commit, command line, seed, hashes, host; one entry per run;
scenario.yaml     the resolved scenario
                  ``refused_by`` names the codes in the columns of that name
requests.parquet  one flat row per request, with ``run``, an index into the manifest's runs (gateway.rows.REQUEST_COLUMNS);
                  of long runs those of the first replications, which summary.json then says
attempts.parquet  likewise, schema.ATTEMPT_COLUMNS
timeline.parquet  likewise, schema.TIMELINE
target-usage.parquet  CPU and memory of a measured gateway's processes (loadtest.processes.usage.USAGE), where they can be told
events.jsonl      breaker moves, faults: one JSON object a line
summary.json      every figure (sim.analysis.summary), and under "verify" the comparison
report.html       the report, which needs no other file
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sim.analysis.summary import clean
from sim.analysis.warmup import warmed
from sim.data.run import Run
from sim.data.schema import TIMELINE
from sim.data.spill import Spilled, arrow_table, most_in_memory
from sim.data.table import Rows, Table
from sim.gateway.language import Scenario
from sim.gateway.rows import ATTEMPTS, BASE, OPTIONAL_COLUMNS, REQUESTS
from sim.results import format_1
from sim.results.results import FORMAT, Results
from sim.scenario.errors import ScenarioError
from sim.scenario.tree import Source, read_text, read_tree

MOST_ROWS = 300_000
"""Rows kept of one run, unless all were asked for. Beyond that whole replications are left out, the last first; the figures in
summary.json are over all of them."""
TABLES = {"requests": REQUESTS, "attempts": ATTEMPTS, "timeline": TIMELINE}
HASHED = ("scenario.yaml", "requests.parquet", "attempts.parquet", "timeline.parquet", "events.jsonl", "summary.json")


class StoreError(Exception):
    """A run directory that cannot be written or read. The message names it and says why."""


# ---- where ------------------------------------------------------------------------------------------------------------
def default_place(scenario: str, kind: str, now: datetime | None = None, under: Path = Path("results")) -> Path:
    """``results/<scenario>-<kind>-<UTC time>``, numbered when it is taken."""
    stem = f"{scenario}-{kind}-{(now or datetime.now(UTC)).strftime('%Y%m%dT%H%M%SZ')}"
    place, number = under / stem, 2
    while place.exists():
        place, number = under / f"{stem}-{number}", number + 1
    return place


def prepare(place: Path) -> Path:
    """Make sure, before any work is done, that a run directory can be written at ``place``. Raises StoreError."""
    if place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise StoreError(f"{place} exists already; give a new directory, or remove it first")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        trial = partial_name(place)
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        raise StoreError(f"{place} cannot be written: {error.strerror or error}") from None
    return place


def partial_name(place: Path) -> Path:
    return place.with_name(f".{place.name}.partial-{os.getpid()}")


@contextmanager
def whole_directory(place: Path) -> Iterator[Path]:
    """A temporary sibling that becomes ``place`` when the block ends well, and goes away when it does not. Raises StoreError."""
    prepare(place)
    partial = partial_name(place)
    try:
        partial.mkdir()
        yield partial
        partial.rename(place)
    except OSError as error:
        raise StoreError(f"{place} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


# ---- writing ----------------------------------------------------------------------------------------------------------
def write_results(results: Results, place: Path, report: Callable[[Results], str] | None = None) -> Path:
    """Write the run directory, with what ``report`` makes of what it holds as report.html. Raises StoreError; then nothing is left."""
    results = trimmed(results)
    kept = results.runs
    with whole_directory(place) as folder:
        (folder / "scenario.yaml").write_text(results.scenario_yaml, encoding="utf-8")
        for table, dtype in TABLES.items():
            write_table(folder / f"{table}.parquet", [getattr(run, table) for run in kept], dtype)
        with (folder / "events.jsonl").open("w", encoding="utf-8") as file:
            for index, run in enumerate(kept):
                file.writelines(json.dumps({"run": index, **clean(event)}) + "\n" for event in run.events)
        (folder / "summary.json").write_text(json.dumps(results.summary, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        if results.target_usage is not None and len(results.target_usage):
            write_rows(folder / "target-usage.parquet", results.target_usage)
        manifest = results.manifest | {"hashes": {name: sha256_of(folder / name) for name in HASHED}}
        for entry, run in zip(manifest["runs"], kept, strict=True):
            entry["replications_kept"] = run.replications
            entry["warmup_s"] = run.warmup_s
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        if report is not None:
            (folder / "report.html").write_text(report(results), encoding="utf-8")
    return place


def trimmed(results: Results) -> Results:
    """What a run directory holds of the results. Where that is not every row, its entry in the summary says which: ``rows_kept``."""
    if results.keep_all:
        return results
    kept = tuple(keep(run) for run in results.runs)
    entries = [
        entry | {"rows_kept": rows_kept(run, part)} if part.replications < run.replications else entry
        for entry, run, part in zip(results.summary["runs"], results.runs, kept, strict=True)
    ]
    return replace(results, runs=kept, summary=results.summary | {"runs": entries})


def rows_kept(run: Run, part: Run) -> dict[str, Any]:
    """How much of a run its rows cover, warm-up included; ``says`` it in words."""
    first = "replication" if part.replications == 1 else f"{part.replications} replications"
    says = (
        f"at {run.scale:g}x the rows kept (and drawn in the report) are those of the first {first} of {run.replications}, "
        f"{len(part.requests):,} of {len(run.requests):,} requests; every figure is over all of them"
    )
    counts = {"replications": part.replications, "of_replications": run.replications}
    return counts | {"requests": len(part.requests), "of_requests": len(run.requests), "says": says}


def keep(run: Run) -> Run:
    """The first replications, as many as stay below MOST_ROWS, but at least one."""
    rows = np.cumsum(np.bincount(run.requests["replication"], minlength=run.replications))
    replications = max(1, int(np.searchsorted(rows, MOST_ROWS, side="right")))
    return run.first(replications)


def write_table(path: Path, runs: list[Rows], dtype: np.dtype) -> None:
    """Rows of several runs as one parquet file. No row group holds rows of two replications, and no two need to stand in memory."""
    import pyarrow.parquet as pq

    known = np.dtype([(name, dtype[name]) for name in dtype.names or () if not runs or any(name in has(rows) for rows in runs)])
    schema = arrow_table(np.zeros(0, known), run=np.zeros(0, np.int16)).schema
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for index, rows in enumerate(runs):
            for part in by_replication(rows):
                writer.write_table(arrow_table(with_columns(part, known), run=np.full(len(part), index, np.int16)))


def has(rows: Rows) -> tuple[str, ...]:
    return rows.dtype.names or ()


def with_columns(rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The rows with the columns of ``dtype``; zeros of a stage that another run of the same file uses and theirs does not."""
    if rows.dtype == dtype:
        return rows
    whole = np.zeros(len(rows), dtype)
    for name in has(rows):
        whole[name] = rows[name]
    return whole


def write_rows(path: Path, rows: np.ndarray) -> None:
    import pyarrow.parquet as pq

    pq.write_table(arrow_table(rows), path, compression="zstd")


def by_replication(rows: Rows) -> Iterator[np.ndarray]:
    """The rows of each replication that has any, as structured arrays."""
    replication = rows["replication"]
    for number in range(int(replication.max(initial=-1)) + 1):
        mine = replication == number
        if mine.any():
            yield rows[mine]


# ---- reading ----------------------------------------------------------------------------------------------------------
def read_results(place: Path) -> Results:
    """Read a run directory back; of format 1, as if it had been written today (``sim.results.format_1``).

    Raises StoreError for what is not one, is damaged, or comes from a later version.
    """
    if not place.is_dir():
        raise StoreError(f"{place}: no such run directory")
    if not (place / "manifest.json").is_file():
        raise StoreError(f"{place} is not a run directory: it has no manifest.json")
    manifest = read_json(place / "manifest.json")
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int) or manifest["format"] < format_1.FORMAT:
        raise StoreError(f"{place} is not a run directory: its manifest.json is not one of Tenfold's")
    if manifest["format"] > FORMAT:
        raise StoreError(f"{place} was written by a later version of Tenfold (format {manifest['format']}, this one reads {FORMAT})")
    try:
        return read_whole(place, manifest)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StoreError(f"{place} is damaged: {type(error).__name__}: {error}") from error


def read_whole(place: Path, manifest: dict[str, Any]) -> Results:
    for name in HASHED:
        if not (place / name).is_file():
            raise StoreError(f"{place} is damaged: {name} is missing")
        if sha256_of(place / name) != manifest["hashes"][name]:
            raise StoreError(f"{place} is damaged: {name} is not the file that the manifest describes (its SHA-256 differs)")
    text, scenario = read_scenario(place)
    old = manifest["format"] == format_1.FORMAT
    lacks = format_1.LACKS if old else frozenset()
    tables = {table: read_table(place / f"{table}.parquet", dtype, len(manifest["runs"]), lacks) for table, dtype in TABLES.items()}
    events = [json.loads(line) for line in (place / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    refusals = {} if old else {int(code): str(name) for code, name in manifest["refused_by"].items()}
    runs = []
    for index, entry in enumerate(manifest["runs"]):
        rows: dict[str, Any] = {table: found[index] for table, found in tables.items()}
        mine = [{key: value for key, value in event.items() if key != "run"} for event in events if event["run"] == index]
        runs.append(
            Run(
                kind=entry["kind"],
                scenario=warmed(scenario, float(entry.get("warmup_s", 0.0))),
                scale=float(entry["scale"]),
                seed=int(entry["seed"]),
                replications=int(entry["replications_kept"]),
                targets=tuple(entry["targets"]),
                events=mine,
                usage=entry["usage"],
                refusals=refusals,
                wall_s=float(entry["wall_s"]),
                **rows,
            )
        )
    sha256, summary = str(manifest["scenario_sha256"]), read_json(place / "summary.json")
    if old:
        runs = [format_1.run_of_today(run) for run in runs]
        summary = format_1.summary_of(runs, sha256, summary)
    return Results(scenario, sha256, text, tuple(runs), summary, manifest)


def read_scenario(place: Path) -> tuple[str, Scenario]:
    try:
        text = read_text(place / "scenario.yaml", "scenario.yaml")
        tree, problems = read_tree(text, Source("scenario.yaml", place))
        if problems:
            raise ScenarioError(problems)
    except ScenarioError as error:
        raise StoreError(f"{place} is damaged: {error}") from error
    return text, Scenario.model_validate_json(json.dumps(tree.plain()))


def read_table(path: Path, dtype: np.dtype, runs: int, lacks: frozenset[str] = frozenset()) -> list[Rows]:
    """The rows of each run; those of a table that memory should not hold stay where they are.

    Columns not known here are left out. Those of a stage that the gateway did not have then, and those that the format ``lacks``, are
    missing, and read as zeros.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        parts: list[list[Spilled]] = [[] for _ in range(runs)]
        with pq.ParquetFile(path) as file:
            in_file, base = set(file.schema_arrow.names), set(BASE if dtype is REQUESTS else dtype.names or ())
            dtype = np.dtype([(name, dtype[name]) for name in dtype.names or () if name in in_file or name not in OPTIONAL_COLUMNS])
            missing = set(dtype.names or ()) - in_file
            if (missing - lacks) & base:
                raise StoreError(f"{path.parent} is damaged: {path.name} has no column {sorted(missing - lacks)[0]}")
            for group in range(file.num_row_groups):
                numbers = file.read_row_group(group, ["run"]).column("run").to_numpy()
                parts[numbers[0]].append(Spilled(path, dtype, len(numbers), group, missing=frozenset(missing)))
            long = file.metadata.num_rows > most_in_memory()
        tables: list[Rows] = [Table(mine, dtype) for mine in parts]
        return tables if long else [np.asarray(table) for table in tables]
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{path.parent} is damaged: {path.name}: {error}") from error


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path.parent} is damaged: {path.name}: {error}") from error


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
