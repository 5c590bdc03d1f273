"""``tenfold sweep``"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from loadtest.cli import options
from loadtest.cli.options import examples

MOST_RUNS = 1000


@click.command(
    epilog=examples(
        "tenfold sweep launch --vary gateway.queue.concurrency=32,64,128 --scale 10",
        "tenfold sweep launch --vary gateway.queue.concurrency=32,64,128 --vary gateway.queue.waiting=0,200,1000 -o results/queues",
        "tenfold sweep launch --vary gateway.queue.concurrency=32..256 --vary gateway.queue.timeout=1s..20s --sample 50",
    )
)
@options.scenario
@click.option(
    "--vary",
    "varied",
    multiple=True,
    required=True,
    metavar="PATH=a,b,c",
    help="Values of one path, or with --sample a range lo..hi. Repeatable: every combination is predicted.",
)
@click.option(
    "--sample",
    "samples",
    type=click.IntRange(min=1),
    metavar="N",
    help="Not every combination: N that cover all ranges evenly (a Latin hypercube), beside the scenario as it stands.",
)
@options.overrides
@options.scale
@options.seed
@options.replications(10)
@click.option("--metrics", metavar="NAME[,NAME…]", help="Figures to show, as budgets name them, e.g. latency.p95,goodput,cost.request.")
@click.option(
    "--max-runs",
    type=click.IntRange(min=1),
    default=MOST_RUNS,
    show_default=True,
    metavar="N",
    help="Refuse more configurations than this, before any is run.",
)
@options.engine
@options.workers
@options.cluster
@options.as_json
@options.out
@options.quiet
def command(
    path: str,
    varied: tuple[str, ...],
    samples: int | None,
    overrides: tuple[str, ...],
    scale: float,
    seed: int | None,
    replications: int,
    metrics: str | None,
    max_runs: int,
    engine: str,
    workers: int | None,
    cluster: str | None,
    as_json: bool,
    out: Path | None,
    quiet: bool,
) -> None:
    """Predict SCENARIO with each combination of values: which is the cheapest within all budgets, and what each change changes.

    All configurations run with the same random numbers, so that what they have in common cancels out. What is finished is kept in DIR
    (default: a new directory under results/; with --json nothing is kept unless --out says where): a sweep that was cut short goes on
    from there.
    """
    from loadtest.cli.predictions import disk_takes_rows, executor_of, keeper_of_rows, no_worker_survives
    from loadtest.cli.whatif import Counter, disk_takes_results, figure_named, folder_for, processes, resumable, workers_that_pay
    from sim.gateway.language import load
    from sim.scenario.size import refuse_too_many
    from sim.whatif.configurations import configurations, warnings_of
    from sim.whatif.evaluation import AVAILABILITY, COST, FIGURES, P99, with_those_of_budgets
    from sim.whatif.evaluator import Evaluator
    from sim.whatif.kept import Kept
    from sim.whatif.sweep import sweep_document
    from sim.whatif.tables import print_sweep
    from sim.whatif.variation import VariationError, grid, grid_size, parse_knobs, sample

    base = load(path, overrides)
    dice = base.scenario.seed if seed is None else seed
    asked = [figure_named(name.strip()) for name in metrics.split(",")] if metrics else [*FIGURES]
    figures = with_those_of_budgets([*asked, AVAILABILITY, P99, COST], base.scenario)
    try:
        knobs = parse_knobs(varied)
        size = grid_size(knobs) if samples is None else samples
        if size > max_runs:
            factors = " × ".join(f"{len(knob.values):,}" for knob in knobs) if samples is None else f"{samples:,}"
            if samples is None and any(len(knob.values) >= 2**31 for knob in knobs):
                raise click.UsageError("a range of fractions makes an endless grid; list its values, or give --sample N")
            raise click.UsageError(
                f"{factors} = {size:,} configurations; the most is {max_runs:,} (--max-runs). "
                "Vary less, or give --sample N to cover the same ranges with N of them"
            )
        settings = grid(knobs) if samples is None else [(), *sample(knobs, samples, dice)]
    except VariationError as error:
        raise click.UsageError(str(error)) from None
    made = configurations(lambda changes: load(path, [*overrides, *changes]), settings, "--vary")
    for each in made:
        refuse_too_many(each.loaded.scenario, scale, replications)
    keeper_of_rows()  # refuses a memory that cannot be set
    for warning in warnings_of(made):
        click.echo(f"warning: {warning}", err=True)
    folder = folder_for(out, as_json, base, "sweep")
    kept = Kept(folder)
    evaluator = Evaluator(dice, replications, engine, figures, len(made), kept)
    chosen = evaluator.engine_for([each.loaded.scenario for each in made], scale)
    workers = workers_that_pay(workers, cluster, base.scenario, scale, replications * len(made), chosen)
    with (
        resumable(folder, kept),
        disk_takes_results(),
        executor_of(workers, cluster) as executor,
        no_worker_survives(),
        disk_takes_rows(),
        Counter("configurations", len(made), quiet, COST) as counter,
    ):
        evaluator.executor, evaluator.workers = executor, processes(workers)
        found = evaluator.each([each.loaded for each in made], scale, counter.tell)
    document = sweep_document(base, made, found, figures, dice, [knob.path for knob in knobs])
    files: list[str] = []
    if folder is not None:
        with disk_takes_results():
            files = keep_results(document, folder)
    if as_json:
        click.echo(json.dumps(document, indent=1, allow_nan=False))
        return
    print_sweep(document, sys.stdout)
    click.echo(f"kept in {folder}: {', '.join(files)}")


def keep_results(document: dict, folder: Path) -> list[str]:
    """Write the document, its rows and its drawings; their names."""
    from sim.whatif.charts import draw_heat_map, draw_pareto
    from sim.whatif.evaluation import COST, P99
    from sim.whatif.kept import write_whole
    from sim.whatif.sweep import write_tables

    write_whole(folder / "sweep.json", json.dumps(document, indent=1, allow_nan=False))
    write_tables(document, folder)
    drawn = ["pareto.svg"] if draw_pareto(document["configurations"], document["best"], folder) else []
    for name in (P99, COST):
        if draw_heat_map(document, name, folder):
            drawn.append(f"heat-map-{name.replace('.', '-').replace('_', '-')}.svg")
    return ["sweep.json", "figures.parquet", "replications.parquet", *drawn]
