"""``tenfold guide``"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadtest.cli import options
from loadtest.cli.options import examples

if TYPE_CHECKING:
    from sim.data.run import Run
    from sim.guide.cases import Cases
    from sim.scenario.load import Loaded

COARSE = 2
"""Replications of the many runs of a search: the random numbers are the same in all of them."""


@click.command(
    epilog=examples(
        "tenfold guide",
        "tenfold guide -o results/guide",
        "tenfold guide --json | jq '.rows[] | select(.verdict != \"within\")'",
    )
)
@options.replications(5)
@options.as_json
@options.out
@options.quiet
def command(replications: int, as_json: bool, out: Path | None, quiet: bool) -> None:
    """Run the field guide: its tables beside the model's figures with their intervals; where they part, why, and at which traffic they
    would not; and from which monthly volume fine-tuning, self-hosting, provisioned capacity and a cache pay.

    With --out it writes guide.md, guide.json and the drawings. It takes some minutes.
    """
    from loadtest.cli.output import write_text
    from loadtest.cli.whatif import Counter
    from sim.guide.break_even import ways
    from sim.guide.guide_report import document_of, draw_break_evens, draw_ranges, markdown, print_guide
    from sim.guide.lines import LINES
    from sim.guide.tables import row
    from sim.report.terminal import console_of

    cases, coarse = cases_of(replications), cases_of(min(COARSE, replications))
    rows = []
    with Counter("lines of the guide", len(LINES), quiet) as counter:
        for done, line in enumerate(LINES, 1):
            rows.append(row(line, cases, coarse))
            counter.tell(done)
    found = ways(cases)
    document = document_of(rows, found, replications)
    if out is not None:
        write_text(out / "guide.json", json.dumps(document, indent=1, allow_nan=False) + "\n")
        write_text(out / "guide.md", markdown(document, f"tenfold guide --replications {replications} -o {out}"))
        draw_ranges(rows, out)
        draw_break_evens(found, out)
    if as_json:
        click.echo(json.dumps(document, indent=1, allow_nan=False))
    else:
        print_guide(document, console_of(sys.stdout))


def cases_of(replications: int) -> Cases:
    from sim.engine.runner import predict
    from sim.gateway.language import load
    from sim.guide.cases import Cases

    def run(loaded: Loaded, scale: float) -> Run:
        return predict(loaded.scenario, scale, replications)

    return Cases(lambda name, changes: load(f"guide/{name}", changes), run)
