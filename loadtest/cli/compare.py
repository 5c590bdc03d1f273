"""``tenfold compare``"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from loadtest.cli import exit_codes, options
from loadtest.cli.options import examples


@click.command(
    epilog=examples(
        "tenfold compare launch --with gateway.queue.concurrency=128 --scale 1,10",
        "tenfold compare launch cheaper.yaml --replications 20",
        "tenfold compare launch branch.yaml --fail-if-worse --json",
        "tenfold compare launch --scale 10 --report k6_summary.json",
    )
)
@click.argument("path", metavar="BASELINE", type=click.Path())
@click.argument("candidate", metavar="[CANDIDATE]", type=click.Path(), required=False)
@click.option("--with", "changes", multiple=True, metavar="PATH=VALUE", help="What is different in the candidate. Repeatable.")
@click.option(
    "--report",
    "foreign",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Compare the prediction with a measurement of k6 (summary JSON), Locust (_stats.csv) or guidellm (JSON) instead.",
)
@options.overrides
@options.scales
@options.seed
@options.replications(10)
@options.engine
@options.workers
@options.cluster
@click.option("--fail-if-worse", is_flag=True, help="Exit code 3 if any figure of the candidate is worse, beyond chance.")
@options.as_json
@options.quiet
def command(
    path: str,
    candidate: str | None,
    changes: tuple[str, ...],
    foreign: Path | None,
    overrides: tuple[str, ...],
    scales: tuple[float, ...],
    seed: int | None,
    replications: int,
    engine: str,
    workers: int | None,
    cluster: str | None,
    fail_if_worse: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Is the CANDIDATE better than the BASELINE, and by how much? Both are predicted with the same dice.

    The candidate is another scenario, or the baseline with what --with changes; --set changes both. What both have in common, such as the
    luck of the traffic, cancels out, so that small differences show.
    """
    from loadtest.cli.predictions import keeper_of_rows, predict_scales
    from sim.gateway.language import load
    from sim.report.comparison_table import differences, is_worse, print_differences

    if foreign is not None:
        if candidate is not None or changes or fail_if_worse or len(scales) > 1:
            raise click.UsageError(
                "--report sets one prediction beside one measurement: no CANDIDATE, --with, --fail-if-worse, nor several scales"
            )
        return beside_report(load(path, overrides), foreign, scales[0], seed, replications, engine, workers, cluster, as_json, quiet)
    if candidate is None and not changes:
        raise click.UsageError("say what to compare with: a second scenario, or --with PATH=VALUE")
    if replications < 2:
        raise click.UsageError("one replication has no interval: give --replications 2 or more")
    if any(change.partition("=")[0].strip() == "seed" for change in changes):
        raise click.UsageError("both sides roll the baseline's dice, so --with cannot change the seed; --seed gives both another")
    before, after = load(path, overrides), load(candidate or path, (*overrides, *changes))
    dice = before.scenario.seed if seed is None else seed
    keeper = keeper_of_rows()  # one memory for both
    runs = [
        predict_scales(
            side, scales, replications, dice, quiet, engine=engine, keeper=keeper, workers=workers, cluster=cluster, beside=other
        )
        for side, other in ((before, after), (after, before))
    ]
    document = differences(before, after, *runs)
    if as_json:
        click.echo(json.dumps(document, indent=1, allow_nan=False))
    else:
        print_differences(document, sys.stdout)
    return exit_codes.GATE if fail_if_worse and is_worse(document) else exit_codes.OK


def beside_report(
    loaded: Any, foreign: Path, scale: float, seed: int | None, replications: int, engine: str, workers: int | None, cluster: str | None,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """A prediction beside what another tool measured. Raises UsageError for a file that is none of theirs."""
    from loadtest.cli.predictions import predict_scales
    from sim.report.foreign import beside, print_beside
    from sim.results.foreign_reports import NotAReport, read_report

    try:
        report = read_report(foreign)
    except NotAReport as error:
        raise click.UsageError(str(error)) from None
    (run,) = predict_scales(loaded, [scale], replications, seed, quiet, engine=engine, workers=workers, cluster=cluster)
    document = beside(run, loaded.sha256, report)
    if as_json:
        click.echo(json.dumps(document, indent=1, allow_nan=False))
    else:
        print_beside(document, sys.stdout)
    return exit_codes.OK
