"""``tenfold compare``"""

from __future__ import annotations

import json
import sys

import click

from loadtest.cli import exit_codes, options
from loadtest.cli.options import examples


@click.command(
    epilog=examples(
        "tenfold compare launch.yaml --with gateway.queue.concurrency=128 --scale 1,10",
        "tenfold compare launch.yaml cheaper.yaml --replications 20",
        "tenfold compare launch.yaml branch.yaml --fail-if-worse --json",
    )
)
@click.argument("path", metavar="BASELINE", type=click.Path())
@click.argument("candidate", metavar="[CANDIDATE]", type=click.Path(), required=False)
@click.option("--with", "changes", multiple=True, metavar="PATH=VALUE", help="What is different in the candidate. Repeatable.")
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
