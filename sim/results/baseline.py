"""A baseline: what a scenario's figures were, by replication, small enough to be kept with the code.

baseline.json   hash, seed, versions, and for every scale the figures by replication
scenario.yaml   the resolved scenario, which says what has changed since

A baseline is of an *experiment*: the scenario's name, seed, traffic and faults. What is under test, its gateway and providers, may change;
another experiment would compare other requests, and is refused.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sim.analysis.metrics import METRICS
from sim.analysis.paired_comparison import by_replication
from sim.analysis.regression import Figures
from sim.data.run import Run
from sim.results.provenance import versions
from sim.results.store import StoreError, partial_name, read_json, read_results, read_scenario, whole_directory
from sim.scenario.load import Loaded, canonical
from sim.scenario.model import Scenario

FORMAT = 1
DOCUMENT = "baseline.json"
EXPERIMENT = ("name", "seed", "analysis", "workload", "faults")


class AnotherExperiment(ValueError):
    """A baseline that this run cannot be compared with. The message says what differs, with both hashes."""


@dataclass(frozen=True)
class Baseline:
    """``figures`` by scale. ``seed`` is the one it was predicted with, which need not be the scenario's."""

    scenario: Scenario
    sha256: str
    seed: int
    figures: dict[float, Figures]


def figures_of(run: Run, names: Iterable[str]) -> Figures:
    """By metric, its value in every replication; names that are no metric of rows are left out."""
    known = [name for name in names if name in METRICS]
    return dict(zip(known, by_replication(run, known).T, strict=True))


# ---- keeping ----------------------------------------------------------------------------------------------------------
def write_baseline(place: Path, loaded: Loaded, runs: Sequence[Run], names: Sequence[str]) -> None:
    """Write it, in place of an older one. Raises StoreError, also where ``place`` holds anything else."""
    if place.exists() and not (place / DOCUMENT).is_file() and not (place.is_dir() and not any(place.iterdir())):
        raise StoreError(f"{place} holds something that is no baseline; give another directory")
    document = {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "scenario": loaded.scenario.name,
        "scenario_sha256": loaded.sha256,
        "seed": runs[0].seed,
        "versions": versions(),
        "scales": [
            {
                "scale": run.scale,
                "replications": run.replications,
                "figures": {name: [plain(value) for value in values] for name, values in figures_of(run, names).items()},
            }
            for run in runs
        ],
    }
    old = partial_name(place).with_suffix(".old")
    try:
        if place.exists():
            place.rename(old)
        with whole_directory(place) as folder:
            (folder / DOCUMENT).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            (folder / "scenario.yaml").write_text(loaded.yaml_text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{place} cannot be written: {error.strerror or error}") from error
    finally:
        if old.exists() and not place.exists():
            old.rename(place)
        shutil.rmtree(old, ignore_errors=True)


def read_baseline(place: Path, names: Sequence[str]) -> Baseline:
    """A baseline, or the figures of a run directory's predictions. Raises StoreError for what is neither, or damaged."""
    if not place.is_dir():
        raise StoreError(f"{place}: no such baseline; --update-baseline writes one there")
    if not (place / DOCUMENT).is_file():
        if not (place / "manifest.json").is_file():
            raise StoreError(f"{place} is no baseline: it has no {DOCUMENT}")
        results = read_results(place)
        runs = results.predictions
        return Baseline(
            results.scenario, results.scenario_sha256, runs[0].seed if runs else 0, {run.scale: figures_of(run, names) for run in runs}
        )
    document = read_json(place / DOCUMENT)
    try:
        if document["format"] != FORMAT:
            raise StoreError(f"{place} is of another version of Tenfold (format {document['format']}, this one reads {FORMAT}): update it")
        figures: dict[float, Figures] = {
            float(each["scale"]): {
                name: np.array([math.nan if one is None else one for one in values], float) for name, values in each["figures"].items()
            }
            for each in document["scales"]
        }
        return Baseline(read_scenario(place)[1], str(document["scenario_sha256"]), int(document["seed"]), figures)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{place} is damaged: {type(error).__name__}: {error}") from error


def plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


# ---- comparing --------------------------------------------------------------------------------------------------------
def refuse_another(baseline: Baseline, scenario: Scenario, sha256: str, seed: int, scales: Iterable[float], whose: str) -> None:
    """Raises AnotherExperiment unless both put the same requests to what is under test. ``whose``: the baseline, as messages name it."""
    hashes = f"baseline {baseline.sha256[:12]}, this scenario {sha256[:12]}"
    before, after = experiment(baseline.scenario), experiment(scenario)
    before["seed"], after["seed"] = baseline.seed, seed
    if different := [key for key in EXPERIMENT if before.get(key) != after.get(key)]:
        raise AnotherExperiment(
            f"{whose} is of another scenario ({hashes}): {', '.join(different)} differ. Compare with one of the same traffic and faults, "
            "or write it again with --update-baseline"
        )
    if missing := [scale for scale in scales if scale not in baseline.figures]:
        known = ", ".join(f"{scale:g}" for scale in baseline.figures) or "none"
        raise AnotherExperiment(f"{whose} has no figures at scale {missing[0]:g}; it has {known}")


def experiment(scenario: Scenario) -> dict[str, Any]:
    """What both sides must have in common. A trace counts by its content."""
    document = canonical(scenario)
    arrivals = document["workload"]["arrivals"]
    if "sha256" in arrivals:
        document["workload"]["arrivals"] = {key: value for key, value in arrivals.items() if key != "file"}
    return {key: document.get(key) for key in EXPERIMENT}
