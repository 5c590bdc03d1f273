"""``tenfold plan``"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadtest.cli import exit_codes, options
from loadtest.cli.options import examples

if TYPE_CHECKING:
    from sim.scenario.load import Loaded
    from sim.whatif.evaluator import Evaluator

MOST_RUNS = 200
SCALES = 50
"""Predictions that a search for the largest scale takes, about."""
TYPICAL_SCALE = 5.0
"""Of those predictions, to judge whether starting processes pays."""


@click.command(
    epilog=examples(
        "tenfold plan launch",
        "tenfold plan launch --max-scale 100 --set gateway.queue.concurrency=128",
        "tenfold plan launch --minimise cost --scale 4 --knob gateway.queue.concurrency=16..256 --knob gateway.queue.waiting=0,50,200",
    )
)
@options.scenario
@click.option("--max-scale", default="1000", metavar="K", callback=options.read_scale, help="The largest scale to try.  [default: 1000]")
@click.option(
    "--minimise",
    metavar="NAME",
    help="Instead: the configuration with the lowest cost (or another figure, as budgets name it) within all budgets, at --scale.",
)
@click.option(
    "--knob",
    "knobs",
    multiple=True,
    metavar="PATH=lo..hi|a,b,c",
    help="With --minimise: a path that may be changed, and the values that it may take. Repeatable.",
)
@click.option("--scale", metavar="K", help="With --minimise: arrival rate times K, capacity untouched.  [default: 1]")
@click.option(
    "--max-runs",
    type=click.IntRange(min=10),
    default=MOST_RUNS,
    show_default=True,
    metavar="N",
    help="With --minimise: configurations to predict at most; all combinations if there are no more, else a search.",
)
@options.overrides
@options.seed
@options.replications(10)
@options.engine
@options.workers
@options.cluster
@options.as_json
@options.out
@options.quiet
def command(
    path: str,
    max_scale: float,
    minimise: str | None,
    knobs: tuple[str, ...],
    scale: str | None,
    max_runs: int,
    overrides: tuple[str, ...],
    seed: int | None,
    replications: int,
    engine: str,
    workers: int | None,
    cluster: str | None,
    as_json: bool,
    out: Path | None,
    quiet: bool,
) -> int:
    """The largest scale at which SCENARIO stays inside all of its budgets, which limit binds there, and what to raise first.

    With --minimise: the cheapest way to stay inside them at one scale. All predictions share their random numbers. What is finished is kept
    in DIR (default: a new directory under results/; with --json nothing is kept unless --out says where): a search that was cut short goes
    on from there. Exit code 3 if the budgets do not hold at 1x, or by no configuration.
    """
    from loadtest.cli.predictions import disk_takes_rows, executor_of, keeper_of_rows, no_worker_survives
    from loadtest.cli.whatif import disk_takes_results, figure_named, folder_for, processes, resumable, workers_that_pay
    from sim.gateway.language import load
    from sim.whatif.evaluation import AVAILABILITY, COST, P99, with_those_of_budgets
    from sim.whatif.evaluator import Evaluator
    from sim.whatif.kept import Kept
    from sim.whatif.plan import predict_command

    if minimise is None and (knobs or scale is not None):
        raise click.UsageError("--knob and --scale go with --minimise cost; without it the largest scale is searched for")
    if minimise is not None and not knobs:
        raise click.UsageError("--minimise needs to know what may be changed: give --knob PATH=lo..hi or --knob PATH=a,b,c")
    minimised = None if minimise is None else figure_named(minimise)
    base = load(path, overrides)
    if not base.scenario.budgets:
        raise click.UsageError(f"{path} states no budgets, so nothing says what it should bear; add some: 'budgets: [latency.p99 < 8s]'")
    at_scale = options.positive(scale) if scale is not None else 1.0
    figures = with_those_of_budgets(filter(None, [minimised, AVAILABILITY, P99, COST]), base.scenario)
    keeper_of_rows()  # refuses a memory that cannot be set
    dice = base.scenario.seed if seed is None else seed
    asked_to_share = workers is not None or cluster is not None
    predictions = SCALES if minimised is None else min(max_runs, combinations(knobs)) + 1
    evaluator = Evaluator(dice, replications, engine, figures, predictions, share_all=asked_to_share)
    chosen = evaluator.engine_for([base.scenario], at_scale)

    def load_with(changes: Sequence[str]) -> Loaded:
        return load(path, [*overrides, *changes])

    def again(settings: Sequence[tuple[str, str]], point: Any) -> str:
        return predict_command(path, [*overrides, *(f"{each}={value}" for each, value in settings)], seed, point)

    work: Callable[[], dict[str, Any]]
    if minimised is None:
        work = largest(base, load_with, evaluator, bearable(base, max_scale, replications), quiet, again)
        workers = workers_that_pay(workers, cluster, base.scenario, TYPICAL_SCALE, replications * predictions, chosen)
    else:
        work = cheapest(base, load_with, evaluator, minimised, knobs, at_scale, max_runs, quiet, again)
        workers = workers_that_pay(workers, cluster, base.scenario, at_scale, replications * predictions, chosen)
    for warning in base.warnings:
        click.echo(f"warning: {warning}", err=True)
    folder = folder_for(out, as_json, base, "plan")
    evaluator.kept = Kept(folder)
    with (
        resumable(folder, evaluator.kept),
        disk_takes_results(),
        executor_of(workers, cluster) as executor,
        no_worker_survives(),
        disk_takes_rows(),
    ):
        evaluator.executor, evaluator.workers = executor, processes(workers)
        document = work()
    files: list[str] = []
    if folder is not None:
        with disk_takes_results():
            files = keep_results(document, folder)
    if as_json:
        click.echo(json.dumps(document, indent=1, allow_nan=False))
    else:
        from sim.whatif.tables import print_cheapest, print_plan

        (print_plan if minimised is None else print_cheapest)(document, sys.stdout)
        click.echo(f"kept in {folder}: {', '.join(files)}")
    if minimised is None:
        value = document["largest_scale"]["value"]
        return exit_codes.OK if value is not None and value >= min(1.0, max_scale) else exit_codes.GATE
    return exit_codes.OK if document["best"] is not None else exit_codes.GATE


def combinations(texts: Sequence[str]) -> int:
    """Of all values of the knobs. Raises UsageError."""
    from sim.whatif.variation import VariationError, grid_size, parse_knobs

    try:
        return grid_size(parse_knobs(texts))
    except VariationError as error:
        raise click.UsageError(str(error)) from None


def bearable(base: Loaded, max_scale: float, replications: int) -> float:
    """The largest scale to try: no more than a run may have. Raises ScenarioError if 1x is too much already."""
    from sim.scenario.size import MOST_IN_ALL, MOST_REQUESTS, expected_requests, refuse_too_many

    refuse_too_many(base.scenario, min(1.0, max_scale), replications)
    requests = expected_requests(base.scenario)
    return min(max_scale, MOST_REQUESTS / requests, MOST_IN_ALL / (requests * replications)) if requests else max_scale


def largest(
    base: Loaded, load: Any, evaluator: Evaluator, most: float, quiet: bool, again: Callable[..., str]
) -> Callable[[], dict[str, Any]]:
    """The search for the largest scale, not begun."""
    from loadtest.cli.live import LiveView
    from sim.analysis.so_far import SoFar
    from sim.whatif.evaluation import broken
    from sim.whatif.plan import plan

    view = LiveView(quiet)
    told: set[tuple[str, float]] = set()

    def evaluate(loaded: Loaded, scale: float) -> dict[str, Any]:
        document = evaluator.evaluate(loaded, scale)
        if (loaded.sha256, scale) not in told:
            told.add((loaded.sha256, scale))
            failing = ", ".join(each["budget"] for each in broken(document))
            what = f"{scale:g}x" if loaded is base else f"{scale:g}x with a limit doubled"
            view.say(f"{what}: {f'breaks {failing}' if failing else 'holds'}")
            view.tell(len(told), {what: SoFar(**document["traffic"])})
        return document

    def work() -> dict[str, Any]:
        with view:
            view.begin("searching the largest scale", unit="predictions")
            return plan(base, load, evaluate, most, evaluator.seed, lambda point: again((), point))

    return work


def cheapest(
    base: Loaded,
    load: Any,
    evaluator: Evaluator,
    minimised: str,
    texts: Sequence[str],
    scale: float,
    most: int,
    quiet: bool,
    again: Callable[..., str],
) -> Callable[[], dict[str, Any]]:
    """The search for the cheapest configuration, not begun, the values of its knobs checked. Raises ScenarioError."""
    from loadtest.cli.whatif import Counter
    from sim.analysis.metrics import METRICS
    from sim.scenario.size import refuse_too_many
    from sim.whatif.cheapest import minimise_document, search
    from sim.whatif.configurations import configurations
    from sim.whatif.variation import ends, grid_size, parse_knobs

    knobs = parse_knobs(texts)
    configurations(load, ends(knobs), "--knob")
    refuse_too_many(base.scenario, scale, evaluator.replications)

    def work() -> dict[str, Any]:
        with Counter("configurations", min(most, grid_size(knobs)) + 1, quiet, minimised, METRICS[minimised].better == "higher") as counter:
            before = 0

            def evaluate(several: Sequence[Loaded]) -> list[dict[str, Any]]:
                nonlocal before
                found = evaluator.each(several, scale, lambda done, last: counter.tell(before + done, last))
                before += len(several)
                return found

            found = search(knobs, load, evaluate, minimised, most, evaluator.seed)
        return minimise_document(base, found, minimised, evaluator.seed, [knob.path for knob in knobs], again)

    return work


def keep_results(document: dict[str, Any], folder: Path) -> list[str]:
    """Write the document and its drawing; their names."""
    from sim.whatif.charts import draw_pareto, draw_scales
    from sim.whatif.kept import write_whole

    write_whole(folder / "plan.json", json.dumps(document, indent=1, allow_nan=False))
    if "configurations" in document:
        drawn = ["pareto.svg"] if draw_pareto(document["configurations"], document["best"], folder) else []
    else:
        held, breaks = document["largest_scale"]["value"], document["first_broken_scale"]
        edge = (held, breaks) if held is not None and breaks is not None else None
        drawn = ["scales.svg"] if draw_scales(document["scales"], edge, folder) else []
    return ["plan.json", *drawn]
