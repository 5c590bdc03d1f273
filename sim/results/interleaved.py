"""Measured runs that took turns with those of a baseline: read, checked, and put together as the replications of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sim.analysis.utilization import add_usage
from sim.data.run import Run
from sim.results.baseline import EXPERIMENT, AnotherExperiment, experiment
from sim.results.results import Results
from sim.results.store import StoreError, read_results


class Measured(NamedTuple):
    """A run directory with its measurement. ``invalid``: why it says nothing, empty when it does."""

    place: Path
    results: Results
    run: Run
    invalid: list[str]


def read_measured(places: Sequence[Path]) -> list[Measured]:
    """In the order in which they were made. Raises StoreError for a directory that holds no measurement."""
    found = []
    for place in places:
        results = read_results(place)
        run = results.measurement
        if run is None:
            raise StoreError(f"{place} holds no measurement; `tenfold verify … --out {place}` makes one")
        verify = results.summary.get("verify", {})
        found.append(Measured(place, results, run, list(verify.get("why_invalid", ())) if verify.get("verdict") == "invalid" else []))
    return sorted(found, key=lambda one: str(one.results.manifest["created"]))


def refuse_unlike(runs: Sequence[Measured]) -> None:
    """Raises AnotherExperiment unless all were sent the same requests."""
    first = runs[0]
    for other in runs[1:]:
        before, after = experiment(first.results.scenario), experiment(other.results.scenario)
        different = [key for key in EXPERIMENT if before[key] != after[key]]
        if first.run.scale != other.run.scale:
            different.append("scale")
        if different:
            hashes = ", ".join(f"{one.place} {one.results.scenario_sha256[:12]}" for one in (first, other))
            raise AnotherExperiment(f"the runs are of different scenarios ({hashes}): {', '.join(different)} differ")


def refuse_one_after_the_other(before: Sequence[Measured], after: Sequence[Measured]) -> None:
    """Raises AnotherExperiment unless both sides took turns: else a machine that grew slower would pass for a slower gateway."""
    if len(before) != len(after):
        raise AnotherExperiment(f"expected as many runs on both sides, found {len(before)} of the baseline and {len(after)} to hold to it")
    pairs = [sorted((str(one.results.manifest["created"]), str(one.place)) for one in pair) for pair in zip(before, after, strict=True)]
    for earlier, later in pairwise(pairs):
        if earlier[1][0] > later[0][0]:
            raise AnotherExperiment(
                f"the runs did not take turns: {later[0][1]} was made before {earlier[1][1]}. Run one of the baseline, one to hold to it, "
                "and so on, so that a machine that drifts strikes both alike"
            )


def pooled(runs: Sequence[Measured]) -> Run:
    """All of them as one run, each a replication of it."""
    first = runs[0].run
    rows: dict[str, Any] = {name: np.concatenate([numbered(getattr(one.run, name), place) for place, one in enumerate(runs)]) for name in
            ("requests", "attempts", "timeline")}  # fmt: skip
    together = replace(
        first,
        replications=len(runs),
        events=[event | {"replication": place} for place, one in enumerate(runs) for event in one.run.events],
        refusals={code: name for one in runs for code, name in one.run.refusals.items()},
        usage=[],
        wall_s=sum(one.run.wall_s for one in runs),
        **rows,
    )
    return add_usage(together)


def numbered(rows: np.ndarray, replication: int) -> np.ndarray:
    made = np.array(rows[:])
    made["replication"] = replication
    return made
