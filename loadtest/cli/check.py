"""``tenfold check``"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from loadtest.cli import exit_codes, options
from loadtest.cli.options import examples


@click.command(
    epilog=examples(
        "tenfold check launch.yaml",
        "tenfold check launch.yaml --scale 1,10 --junit budgets.xml --markdown budgets.md",
    )
)
@options.scenario
@options.overrides
@options.scales
@options.seed
@options.replications(10)
@options.workers
@options.cluster
@options.as_json
@options.out
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the verdicts as JUnit XML.")
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a summary in Markdown. In GitHub Actions it is also added to the job's summary.",
)
@options.quiet
def command(
    path: str,
    overrides: tuple[str, ...],
    scales: tuple[float, ...],
    seed: int | None,
    replications: int,
    workers: int | None,
    cluster: str | None,
    as_json: bool,
    out: Path | None,
    junit: Path | None,
    markdown: Path | None,
    quiet: bool,
) -> int:
    """Predict SCENARIO and hold it to its budgets and assertions, at every scale given: exit code 3 when one is broken, or when the samples
    cannot say. Of a scenario that says `expected: fails`, a budget has to be broken."""
    from loadtest.cli.output import keep, prepared, write_text
    from loadtest.cli.predictions import keeper_of_rows, predict_scales
    from sim.analysis.summary import summarize
    from sim.gateway.language import load
    from sim.report import ci
    from sim.results.results import gather

    loaded = load(path, overrides)
    if not loaded.scenario.budgets and not loaded.scenario.assertions:
        raise click.UsageError(f"{path} states no budgets; add some, such as 'budgets: [latency.p99 < 8s]'")
    place = prepared(out, loaded.scenario.name, "check") if out else None
    runs = predict_scales(loaded, scales, replications, seed, quiet, keeper=keeper_of_rows(place), workers=workers, cluster=cluster)
    summary = summarize(runs, loaded.sha256)
    if place is not None:
        keep(gather(runs, loaded.sha256, loaded.yaml_text, summary=summary), place)
    if junit is not None:
        write_text(junit, ci.junit_xml(summary))
    if markdown is not None:
        write_text(markdown, ci.markdown(summary))
    if job_summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        write_text(Path(job_summary), ci.markdown(summary), append=True)
    if as_json:
        click.echo(json.dumps(summary, indent=1, allow_nan=False))
    else:
        from sim.report.terminal import console_of, print_budgets

        print_budgets(summary, console_of(sys.stdout))
    return exit_codes.OK if ci.gate_holds(summary) else exit_codes.GATE
