"""``tenfold predict``"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from loadtest.cli import options
from loadtest.cli.options import examples


@click.command(
    epilog=examples(
        "tenfold predict launch --scale 1,10,100",
        "tenfold predict launch --set gateway.queue.concurrency=128 --out results/more-slots",
        "tenfold predict launch --json | jq '.runs[0].latency_s.p99'",
    )
)
@options.scenario
@options.overrides
@options.scales
@options.seed
@options.replications(10)
@options.precision
@options.engine
@options.workers
@options.cluster
@click.option(
    "--fingerprint", "fingerprinted", is_flag=True, help="Print the SHA-256 of the trajectory: same seed and engine, same fingerprint."
)
@click.option(
    "--keep",
    "kept_rows",
    type=click.Choice(["some", "all"]),
    default="some",
    show_default=True,
    help="Rows to write of each scale: whole replications up to 300,000 requests, or every one.",
)
@options.as_json
@options.out
@options.quiet
def command(
    path: str,
    overrides: tuple[str, ...],
    scales: tuple[float, ...],
    seed: int | None,
    replications: int,
    precision: float | None,
    engine: str,
    workers: int | None,
    cluster: str | None,
    fingerprinted: bool,
    kept_rows: str,
    as_json: bool,
    out: Path | None,
    quiet: bool,
) -> None:
    """Predict what SCENARIO will do at each scale: latency, errors, cost, and which limit binds first.

    The run, with its report, is kept in DIR (default: a new directory under results/; with --json nothing is kept unless --out says where).
    """
    from loadtest.cli.output import keep, prepared
    from loadtest.cli.predictions import keeper_of_rows, predict_scales
    from sim.analysis.summary import summarize
    from sim.gateway.language import load
    from sim.results.results import gather
    from sim.results.store import trimmed

    loaded = load(path, overrides)
    place = None if as_json and out is None else prepared(out, loaded.scenario.name, "prediction")
    runs = predict_scales(loaded, scales, replications, seed, quiet, precision, engine, keeper_of_rows(place), workers, cluster)
    summary = summarize(runs, loaded.sha256)
    if fingerprinted:
        from sim.data.fingerprint import fingerprint

        for run, entry in zip(runs, summary["runs"], strict=True):
            entry["fingerprint"] = fingerprint(run)
    if place is not None:
        results = trimmed(gather(runs, loaded.sha256, loaded.yaml_text, summary=summary, keep_all=kept_rows == "all"))
        keep(results, place)
        summary = results.summary
    partly = [f"{entry['rows_kept']['says']} (--keep all keeps every row)" for entry in summary["runs"] if "rows_kept" in entry]
    if as_json:
        for words in partly:
            click.echo(words, err=True)
        click.echo(json.dumps(summary, indent=1, allow_nan=False))
        return
    from sim.report.terminal import console_of, print_summary

    print_summary(summary, console_of(sys.stdout))
    for run in runs:
        if run.precision is not None:
            click.echo(f"at {run.scale:g}x: {run.precision.says}")
    if fingerprinted:
        for entry in summary["runs"]:
            click.echo(f"fingerprint at {entry['scale']:g}x ({entry['engine']}): {entry['fingerprint']}")
    for words in partly:
        click.echo(words)
    click.echo(f"report: {place}/report.html")
