"""``tenfold report``"""

from __future__ import annotations

from pathlib import Path

import click

from loadtest.cli.options import examples


@click.command(epilog=examples("tenfold report results/launch", "tenfold report results/launch -o launch.html"))
@click.argument("directory", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where to write it.  [default: RUN/report.html]"
)
def command(directory: Path, out: Path | None) -> None:
    """Write the report of a run directory anew: one HTML file that needs no other file and no network."""
    from loadtest.cli.output import kept, write_text
    from sim.report.render import render

    place = out or directory / "report.html"
    write_text(place, render(kept(directory)))
    click.echo(place)
