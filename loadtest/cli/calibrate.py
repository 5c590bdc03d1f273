"""``tenfold calibrate``: find out what a gateway costs and what it enforces."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from loadtest.calibration import EXPERIMENTS
from loadtest.cli import exit_codes, options

NAMES = tuple(EXPERIMENTS)
EXAMPLES = options.examples(
    "tenfold calibrate launch --target litellm -o calibration.yaml",
    "tenfold calibrate launch --target url --url http://127.0.0.1:8000 --mock-port 9000 -o calibration.yaml",
    "tenfold predict launch --calibration calibration.yaml --scale 1,10,100",
)


def read_only(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple((value or "").replace("-", "_").split(",")) if value else ()
    if unknown := [name for name in names if name not in NAMES]:
        raise click.BadParameter(f"there is no experiment {unknown[0]!r}; there are {', '.join(NAMES)}")
    return names


@click.command("calibrate", epilog=EXAMPLES)
@options.scenario
@options.set_option
@options.target
@options.target_places
@click.option(
    "-o", "--out", "out", type=click.Path(path_type=Path, dir_okay=False), default=Path("calibration.yaml"), show_default=True,
    metavar="FILE", help="The calibration to write.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite a calibration that is there.")
@click.option("--only", metavar="NAME[,NAME…]", callback=read_only, help="Only these experiments: " + ", ".join(NAMES) + ".")
@options.as_json
@options.quiet
def command(
    path: str, overrides: tuple[str, ...], target: str, url: str | None, headers: tuple[str, ...], key: str | None, models: tuple[str, ...],
    allow_remote: bool, port: int, mock_port: int, out: Path, force: bool, only: tuple[str, ...], as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Find out by short experiments what the gateway of SCENARIO costs and what it enforces, whatever its configuration says.

    Mock providers stand behind it. The result is FILE: an overlay that --calibration lays over a scenario, with the evidence of each
    figure; on the terminal, what is declared beside what was found. It takes a few minutes. What has been found out is kept beside FILE
    as it comes: started again after an interruption, it goes on from there. With --target url nothing is known of the gateway but what
    you tell; point its upstreams at the mocks first.
    """
    from loadtest.calibration.calibrate import Order, calibrate
    from loadtest.cli.interrupts import ends_cleanly
    from loadtest.cli.output import write_text
    from loadtest.cli.verify import check_places, client_side
    from mockprovider.processes.supervisor import RunFailed
    from sim.gateway.language import load
    from sim.report.terminal import console_of

    loaded = load(path, overrides)
    check_places(target, url, allow_remote, port, mock_port, len(loaded.scenario.providers))
    client = client_side(target, headers, key, models, loaded.scenario)
    if out.exists() and not force:
        raise click.UsageError(f"{out} is there already; --force overwrites it, -o takes another name")
    kept = out.with_name(f"{out.name}.part")
    write_text(kept, "", append=True)

    def say(words: str) -> None:
        if not quiet:
            click.echo(words, err=True)

    with ends_cleanly():
        try:
            result = calibrate(Order(loaded, target, kept, url, port, mock_port, client, only), say)
        except RunFailed as failure:
            click.echo(f"not calibrated: {failure}", err=True)
            return exit_codes.INVALID
    write_text(out, result.yaml_text())
    kept.unlink(missing_ok=True)
    if as_json:
        click.echo(json.dumps(result.document(), indent=1, allow_nan=False))
        return exit_codes.OK
    print_table(result, console_of(sys.stdout))
    click.echo(f"written: {out}; use it with --calibration {out}")
    return exit_codes.OK


def print_table(result: Any, console: Any) -> None:
    from rich.markup import escape
    from rich.table import Table

    from loadtest.calibration.calibration import difference, plain, shown
    from loadtest.calibration.figure import FOUND, UNKNOWN

    table = Table(box=None, pad_edge=False)
    for column in ("", "declared", "found", "how it was found out"):
        table.add_column(column, overflow="fold")
    for figure in result.figures:
        declared = plain(result.declared.get(figure.path or ""))
        differs = difference(figure, declared)
        style = "dim" if figure.state == UNKNOWN else "red" if differs else ""
        value = shown(figure.value) if figure.state == FOUND else figure.state if figure.low is None else f"at least {figure.low:g}"
        stands = "" if figure.path is None else shown(declared)
        table.add_row(*map(escape, (figure.name, stands, value, figure.evidence)), style=style)
    console.print(table)
    for words in result.differences():
        console.print(f"[red]differs[/red] {escape(words)}", highlight=False)
    for words in result.cautions():
        console.print(f"[yellow]warning[/yellow] {escape(words)}", highlight=False)
