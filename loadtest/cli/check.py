"""``tenfold check``"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadtest.cli import exit_codes, options
from loadtest.cli.options import examples

if TYPE_CHECKING:
    from sim.data.run import Run
    from sim.scenario.load import Loaded

SEVERAL = ("--measured", "--baseline")


class Check(click.Command):
    """Beside --measured, both it and --baseline take all run directories that follow: a shell's ``results/new-*``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--measured" in args:
            spread: list[str] = []
            taking = ""
            for argument in args:
                if argument.startswith("-"):
                    taking = argument if argument in SEVERAL else ""
                    spread += [] if taking else [argument]
                else:
                    spread += [taking, argument] if taking else [argument]
            args = spread
        return super().parse_args(ctx, args)


def read_tolerances(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """By metric; "" is for all relative ones."""
    from sim.analysis.metrics import METRICS
    from sim.scenario.budgets import BudgetError, find_metric

    found: dict[str, float] = {}
    for text in values:
        name, equals, share = text.rpartition("=")
        try:
            number = float(share.strip().removesuffix("%")) / (100 if share.strip().endswith("%") else 1)
        except ValueError:
            number = -1.0
        if not 0 <= number < 10:
            raise click.BadParameter(f"expected a share such as 2% or 0.02, perhaps of one metric (latency.p99=5%), found {text!r}")
        if equals:
            try:
                metric = find_metric(name.strip(), text)
            except BudgetError as error:
                raise click.BadParameter(str(error)) from None
            if metric.better == "neither" or metric.name not in METRICS:
                raise click.BadParameter(f"{text!r}: {name} is neither better high nor low")
            found[metric.name] = number
        else:
            found[""] = number
    return found


@click.command(
    cls=Check,
    epilog=examples(
        "tenfold check launch",
        "tenfold check launch --scale 1,10 --junit budgets.xml --markdown budgets.md",
        "tenfold check launch --baseline results/baselines/launch --update-baseline",
        "tenfold check launch --baseline results/baselines/launch --tolerance latency.p99=5%",
        "tenfold check --measured results/new-* --baseline results/old-*",
    ),
)
@click.argument("path", metavar="[SCENARIO]", type=click.Path(), required=False)
@options.overrides
@options.scales
@options.seed
@options.replications(10)
@click.option(
    "--baseline",
    "baselines",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="DIR",
    help="Hold it to these earlier figures, too; with --measured: run directories, one for each measured.",
)
@click.option("--update-baseline", is_flag=True, help="Write today's figures to the baseline, instead of failing on what became worse.")
@click.option(
    "--measured",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="DIR",
    help="Judge these measured runs (of `verify --out`) instead of a prediction. Repeatable, or several at once.",
)
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    metavar="[METRIC=]SHARE",
    callback=read_tolerances,
    help="How much worse than the baseline is still well; shares of requests by so many points. Repeatable.  "
    "[default: 2%, shares 0.1%; measured 5%, shares 0.5%]",
)
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
@click.pass_context
def command(
    ctx: click.Context, path: str | None, overrides: tuple[str, ...], scales: tuple[float, ...], seed: int | None, replications: int,
    baselines: tuple[Path, ...], update_baseline: bool, measured: tuple[Path, ...], tolerances: dict[str, float], workers: int | None,
    cluster: str | None, as_json: bool, out: Path | None, junit: Path | None, markdown: Path | None, quiet: bool,
) -> int:  # fmt: skip
    """Predict SCENARIO and hold it to its budgets and assertions, at every scale given, and to a baseline.

    Exit code 3 when a budget is broken, when the samples cannot say, or when a figure is worse than the baseline by more than its tolerance
    and the interval of the difference excludes the tolerance, too; what its interval reaches over is inconclusive, and does not fail. Of a
    scenario that says `expected: fails`, a budget has to be broken. Predictions are compared with the same dice, so that nothing but a
    change shows; measured runs in pairs that took turns, at least five.
    """
    if measured:
        from loadtest.cli.check_measured import summarized

        if path is not None or overrides or seed is not None or out is not None or update_baseline:
            raise click.UsageError(
                "--measured judges runs that were made before: give it no scenario, --set, --seed, --out or --update-baseline"
            )
        summary = summarized(measured, baselines, tolerances)
        invalid = summary["invalid"]
        for why in invalid:
            click.echo(f"measurement invalid: {why}", err=True)
        code = tell(summary, str(measured[0]), as_json, junit, markdown)
        return exit_codes.INVALID if invalid else code
    if path is None:
        raise click.UsageError("Missing argument 'SCENARIO', or --measured DIR.")
    summary = predicted(
        ctx, path, overrides, scales, replications, seed, baselines, update_baseline, tolerances, workers, cluster, out, quiet
    )
    return tell(summary, path, as_json, junit, markdown)


def predicted(
    ctx: click.Context, path: str, overrides: tuple[str, ...], scales: tuple[float, ...], replications: int, seed: int | None,
    baselines: tuple[Path, ...], update: bool, tolerances: dict[str, float], workers: int | None, cluster: str | None, out: Path | None,
    quiet: bool,
) -> dict[str, Any]:  # fmt: skip
    """The summary of a prediction, with what its baseline says; the baseline is brought up to date where that is asked for."""
    from loadtest.cli.output import keep, prepared
    from loadtest.cli.predictions import keeper_of_rows, predict_scales
    from sim.analysis.paired_comparison import FIGURES
    from sim.analysis.summary import summarize
    from sim.gateway.language import load
    from sim.results.results import gather

    if len(baselines) > 1:
        raise click.UsageError("a prediction has one baseline; several go with --measured")
    if update and not baselines:
        raise click.UsageError("--update-baseline needs --baseline DIR, the place to write it to")
    loaded = load(path, overrides)
    if not loaded.scenario.budgets and not loaded.scenario.assertions and not baselines:
        raise click.UsageError(f"{path} states no budgets; add some, such as 'budgets: [latency.p99 < 8s]', or give a --baseline")
    if baselines and replications < 2:
        raise click.UsageError("one replication has no interval: give --replications 2 or more")
    names = tuple(dict.fromkeys([*FIGURES, *filter(None, tolerances)]))
    dice = loaded.scenario.seed if seed is None else seed
    baseline = None if update or not baselines else found(baselines[0], loaded, dice, scales, names)
    place = prepared(out, loaded.scenario.name, "check") if out else None
    runs = predict_scales(loaded, scales, replications, seed, quiet, keeper=keeper_of_rows(place), workers=workers, cluster=cluster)
    summary = summarize(runs, loaded.sha256)
    if baseline is not None:
        summary["baseline"] = compared(baseline, runs, names, tolerances)
    if place is not None:
        keep(gather(runs, loaded.sha256, loaded.yaml_text, summary=summary), place)
    if update:
        keep_baseline(baselines[0], loaded, runs, names)
        summary["baseline"] = {"updated": str(baselines[0])}
    return summary


def found(place: Path, loaded: Loaded, seed: int, scales: tuple[float, ...], names: tuple[str, ...]) -> Any:
    """The baseline. Raises UsageError for one that this scenario cannot be compared with."""
    from sim.results.baseline import AnotherExperiment, read_baseline, refuse_another
    from sim.results.store import StoreError

    try:
        baseline = read_baseline(place, names)
        refuse_another(baseline, loaded.scenario, loaded.sha256, seed, scales, str(place))
    except (StoreError, AnotherExperiment) as error:
        raise click.UsageError(str(error)) from None
    if lacking := [name for name in names if any(name not in figures for figures in baseline.figures.values())]:
        raise click.UsageError(f"{place} has no {', '.join(lacking)}: write it again with --update-baseline and the same --tolerance")
    return baseline


def compared(baseline: Any, runs: list[Run], names: tuple[str, ...], tolerances: dict[str, float]) -> dict[str, Any]:
    """The ``baseline`` part of a summary."""
    from sim.analysis.regression import as_document, effects
    from sim.results.baseline import figures_of

    scales = [
        {"scale": run.scale, "figures": as_document(effects(run.kind, baseline.figures[run.scale], figures_of(run, names), tolerances))}
        for run in runs
    ]
    return {"scenario_sha256": baseline.sha256, "seed": baseline.seed, "kind": runs[0].kind, "scales": scales}


def keep_baseline(place: Path, loaded: Loaded, runs: list[Run], names: tuple[str, ...]) -> None:
    from loadtest.cli.output import CannotKeep
    from sim.results.baseline import write_baseline
    from sim.results.store import StoreError

    try:
        write_baseline(place, loaded, runs, names)
    except StoreError as error:
        raise CannotKeep(str(error)) from None
    click.echo(f"baseline written: {place}", err=True)


def tell(summary: dict[str, Any], path: str, as_json: bool, junit: Path | None, markdown: Path | None) -> int:
    """Print and write the verdicts; the exit code that they come to."""
    from loadtest.cli.output import write_text
    from sim.report import ci

    if junit is not None:
        write_text(junit, ci.junit_xml(summary))
    if markdown is not None:
        write_text(markdown, ci.markdown(summary))
    if job_summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        write_text(Path(job_summary), ci.markdown(summary), append=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in ci.workflow_commands(summary, path):
            click.echo(line, err=True)
    if as_json:
        click.echo(json.dumps(summary, indent=1, allow_nan=False))
    else:
        from sim.report.terminal import console_of, print_budgets

        print_budgets(summary, console_of(sys.stdout))
    return exit_codes.OK if ci.gate_holds(summary) else exit_codes.GATE
