"""Results: some runs of one scenario with their summary and provenance. What a run directory holds and a report shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from sim.analysis.summary import clean, summarize, whole
from sim.analysis.validation import Comparison
from sim.data.run import Run
from sim.results.provenance import command_line, commit, host, versions
from sim.scenario.model import Scenario

FORMAT = 2
"""Version of the run directory's layout. 2: outcomes by code, `refused_by` and `cached_tokens` in the rows."""


@dataclass(frozen=True)
class Results:
    """``summary`` is the ``predict --json`` document over ``runs``; with a measurement, ``summary["verify"]`` is the ``verify --json`` one.

    ``manifest`` has no ``hashes`` until it is written. ``runs`` read back may hold fewer replications than the summary was made of (which
    then says so, see ``sim.results.store.trimmed``), unless they were written with ``keep_all``.
    """

    scenario: Scenario
    scenario_sha256: str
    scenario_yaml: str
    runs: tuple[Run, ...]
    summary: dict[str, Any]
    manifest: dict[str, Any]
    keep_all: bool = False
    target_usage: np.ndarray | None = None  # what the processes of a measured gateway used, as ``loadtest.processes.usage.USAGE``

    @property
    def predictions(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if run.kind == "prediction")

    @property
    def measurement(self) -> Run | None:
        return next((run for run in self.runs if run.kind == "measurement"), None)

    def summary_of(self, run: Run) -> dict[str, Any]:
        """The summary entry of one of ``runs``."""
        entry: dict[str, Any] = self.summary["runs"][next(index for index, one in enumerate(self.runs) if one is run)]
        return entry


def gather(
    runs: Sequence[Run],
    scenario_sha256: str,
    scenario_yaml: str,
    comparison: Comparison | None = None,
    summary: dict[str, Any] | None = None,
    argv: Sequence[str] | None = None,
    now: datetime | None = None,
    keep_all: bool = False,
    target_usage: np.ndarray | None = None,
) -> Results:
    """Results of runs that were just made: one of each scale for ``predict``, a prediction and a measurement for ``verify``.

    ``summary`` if it has been made already; ``argv`` defaults to the process's own command line; ``keep_all``: write every row.
    """
    summary = dict(summary or summarize(runs, scenario_sha256))
    if comparison is not None:
        summary["verify"] = comparison.as_dict()
    scenario = runs[0].scenario
    manifest = {
        "format": FORMAT,
        "created": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "scenario": scenario.name,
        "scenario_sha256": scenario_sha256,
        "seed": runs[0].seed,
        "argv": command_line(argv),
        "versions": versions(),
        "commit": commit(),
        "host": host(),
        "refused_by": {str(code): name for run in runs for code, name in run.refusals.items()},
        "runs": [
            {
                "kind": run.kind,
                "scale": whole(run.scale),
                "seed": run.seed,
                "replications": run.replications,
                "targets": list(run.targets),
                "usage": [clean(row) for row in run.usage],
                "wall_s": run.wall_s,
            }
            for run in runs
        ],
    }
    return Results(scenario, scenario_sha256, scenario_yaml, tuple(runs), summary, manifest, keep_all, target_usage)
