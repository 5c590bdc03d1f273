"""``tenfold report``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadtest.cli.options import examples

if TYPE_CHECKING:
    from sim.data.run import Run
    from sim.results.results import Results

FORMATS = {"html": "report.html", "locust": "locust_stats.csv", "k6": "k6_summary.json", "hdr": "latency.hgrm"}


@click.command(
    epilog=examples(
        "tenfold report results/launch",
        "tenfold report results/launch -o launch.html",
        "tenfold report results/launch --format k6 --scale 10",
    )
)
@click.argument("directory", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="html",
    show_default=True,
    help="html: Tenfold's report of all runs. Of one run: locust: statistics CSV; k6: summary JSON; hdr: HdrHistogram's percentile file.",
)
@click.option(
    "--scale", type=float, metavar="K", help="Which prediction, for the forms of one run.  [default: the measurement, or the only one]"
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where to write it.  [default: within RUN]"
)
def command(directory: Path, form: str, scale: float | None, out: Path | None) -> None:
    """Write the report of a run directory anew, one HTML file that needs no other file and no network; or as another tool's results."""
    from loadtest.cli.output import kept, write_text
    from sim.report.exports import EXPORTS
    from sim.report.render import render

    place = out or directory / FORMATS[form]
    results = kept(directory)
    write_text(place, render(results) if form == "html" else EXPORTS[form](one_run(results, scale)))
    click.echo(place)


def one_run(results: Results, scale: float | None) -> Run:
    """Raises UsageError where there is none, or several."""
    measured = results.measurement
    if measured is not None and scale is None:
        return measured
    found = [run for run in results.predictions if scale is None or run.scale == scale]
    if len(found) != 1:
        scales = ", ".join(f"{run.scale:g}" for run in results.predictions)
        raise click.UsageError(f"that form is of one run; say which with --scale, one of {scales or 'none'}")
    return found[0]
