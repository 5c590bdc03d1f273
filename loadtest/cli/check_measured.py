"""``tenfold check --measured``: runs that were measured before, held to their budgets and to the runs that they took turns with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def summarized(measured: tuple[Path, ...], baselines: tuple[Path, ...], tolerances: dict[str, float]) -> dict[str, Any]:
    """The summary of all measured runs together, each a replication; with ``baseline``, what changed against the others; ``invalid`` says
    which runs say nothing. Raises UsageError for runs that cannot be compared.
    """
    from sim.analysis.paired_comparison import FIGURES
    from sim.analysis.summary import summarize
    from sim.results.baseline import AnotherExperiment
    from sim.results.interleaved import pooled, read_measured, refuse_one_after_the_other, refuse_unlike
    from sim.results.store import StoreError

    try:
        after, before = read_measured(measured), read_measured(baselines)
        refuse_unlike([*before, *after])
        if before:
            refuse_one_after_the_other(before, after)
    except (StoreError, AnotherExperiment) as error:
        raise click.UsageError(str(error)) from None
    results = after[0].results
    if not before and not results.scenario.budgets and not results.scenario.assertions:
        raise click.UsageError("the scenario measured states no budgets; give run directories to compare with: --baseline DIR …")
    run = pooled(after)
    summary = summarize([run], results.scenario_sha256)
    summary["invalid"] = [f"{one.place}: {why}" for one in (*before, *after) for why in one.invalid]
    if before:
        names = tuple(dict.fromkeys([*FIGURES, *filter(None, tolerances)]))
        summary["baseline"] = against(pooled(before), run, before[0].results.scenario_sha256, names, tolerances)
    return summary


def against(before: Any, after: Any, sha256: str, names: tuple[str, ...], tolerances: dict[str, float]) -> dict[str, Any]:
    from sim.analysis.regression import as_document, effects
    from sim.results.baseline import figures_of

    figures = effects(after.kind, figures_of(before, names), figures_of(after, names), tolerances)
    scales = [{"scale": after.scale, "figures": as_document(figures)}]
    return {"scenario_sha256": sha256, "seed": before.seed, "kind": after.kind, "scales": scales}
