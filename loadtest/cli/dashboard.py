"""``tenfold dashboard``"""

from __future__ import annotations

import json
from pathlib import Path

import click

from loadtest.cli import options
from loadtest.cli.options import examples

DURATION = r"[0-9]+(ms|s|m|h|d)"


def duration(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    import re

    if not re.fullmatch(DURATION, value):
        raise click.BadParameter(f"expected a duration as Prometheus writes it, such as 30s or 5m, found {value!r}")
    return value


@click.command(
    epilog=examples(
        "tenfold dashboard launch -o monitoring",
        "tenfold dashboard launch --scale 1,10 --window 1m --for 2m -o monitoring",
        "promtool check rules monitoring/alerts.yaml",
    )
)
@options.scenario
@options.overrides
@options.scales
@options.seed
@options.replications(5)
@options.workers
@click.option("--window", default="5m", show_default=True, callback=duration, help="What an alert looks back over.")
@click.option("--for", "hold", default="5m", show_default=True, callback=duration, help="How long a budget is broken before it alerts.")
@click.option("--every", default="30s", show_default=True, callback=duration, help="From one evaluation of the rules to the next.")
@options.as_json
@options.out
@options.quiet
def command(
    path: str,
    overrides: tuple[str, ...],
    scales: tuple[float, ...],
    seed: int | None,
    replications: int,
    workers: int | None,
    window: str,
    hold: str,
    every: str,
    as_json: bool,
    out: Path | None,
    quiet: bool,
) -> None:
    """Write what watches a gateway of SCENARIO: a Grafana dashboard with what is predicted beside what happens, and Prometheus alert rules,
    one for each of its budgets that /metrics can say.

    Files in DIR (default: monitoring): dashboard.json, alerts.yaml. With --json both are printed, and written only if --out says where.
    """
    import yaml

    from loadtest.cli.output import write_text
    from loadtest.cli.predictions import predict_scales
    from sim.analysis.summary import summarize
    from sim.gateway.language import load
    from sim.report.alerts import alert_rules, unwatched
    from sim.report.dashboard import grafana

    loaded = load(path, overrides)
    summary = summarize(predict_scales(loaded, scales, replications, seed, quiet, workers=workers), loaded.sha256)
    rules, board = alert_rules(loaded.scenario, summary, window, hold, every), grafana(loaded.scenario, summary)
    left = unwatched(loaded.scenario)
    if not as_json or out is not None:
        place = out or Path("monitoring")
        write_text(place / "dashboard.json", json.dumps(board, indent=1) + "\n")
        write_text(place / "alerts.yaml", yaml.safe_dump(rules, sort_keys=False, width=140))
    if as_json:
        click.echo(json.dumps({"schema_version": 1, "dashboard": board, "rules": rules, "unwatched": left}, allow_nan=False))
        return
    click.echo(f"{place}/dashboard.json: {len(board['panels'])} panels; {place}/alerts.yaml: {len(rules['groups'][0]['rules'])} alerts")
    for text in left:
        click.echo(f"no alert: {text} (not something that /metrics tells, or of a phase)")
