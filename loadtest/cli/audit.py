"""``tenfold audit``"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadtest.cli import exit_codes, options
from loadtest.cli.options import examples

if TYPE_CHECKING:
    from sim.data.run import Run
    from sim.scenario.load import Loaded


@click.command(
    epilog=examples(
        "tenfold audit launch",
        "tenfold audit launch --strict",
        "tenfold audit launch --json | jq '.mistakes[] | select(.found)'",
        "tenfold audit launch -o results/audit-monday --against results/audit-last-monday",
    )
)
@options.scenario
@options.overrides
@options.seed
@options.replications(5)
@options.workers
@click.option("--strict", is_flag=True, help="Exit code 3 when one of the guide's mistakes is found.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="An audit that was kept: say what has moved since (the weekly cost review, the quarterly architecture review).",
)
@options.as_json
@options.out
@options.quiet
def command(
    path: str,
    overrides: tuple[str, ...],
    seed: int | None,
    replications: int,
    workers: int | None,
    strict: bool,
    against: Path | None,
    as_json: bool,
    out: Path | None,
    quiet: bool,
) -> int:
    """Hold SCENARIO beside the field guide: which of its six mistakes does it make, with evidence from predictions at 1x, 10x and 100x and
    what mending each brings; what has no effect; and the guide's checklist for its size.

    A mistake takes something in the scenario that makes it possible and a run that shows what comes of it. Kept in DIR as audit.json only
    if --out says where.
    """
    from loadtest.cli.output import write_text
    from sim.gateway.language import load
    from sim.guide.audit import audit, drift
    from sim.guide.trials import Trials

    base = load(path, overrides)
    earlier = None if against is None else kept_audit(against)

    def predict(loaded: Loaded, scale: float) -> Run:
        return predicted(loaded, scale, replications, base.scenario.seed if seed is None else seed, workers, quiet)

    document = audit(Trials(base, lambda changes: load(path, [*overrides, *changes]), predict))
    if earlier is not None:
        document["drift"] = drift(document, earlier)
    text = json.dumps(document, indent=1, allow_nan=False)
    if out is not None:
        write_text(out / "audit.json", text + "\n")
    if as_json:
        click.echo(text)
    else:
        from sim.guide.audit_tables import print_audit
        from sim.report.terminal import console_of

        print_audit(document, console_of(sys.stdout))
    found = any(row["found"] for row in document["mistakes"])
    return exit_codes.GATE if strict and found else exit_codes.OK


def predicted(loaded: Loaded, scale: float, replications: int, seed: int, workers: int | None, quiet: bool) -> Run:
    """Like ``predict``, without its warnings: the audit has a chapter for those of the scenario, and its own changes have none to tell."""
    from dataclasses import replace

    from loadtest.cli.predictions import predict_scales

    return predict_scales(replace(loaded, warnings=()), [scale], replications, seed, quiet, workers=workers)[0]


def kept_audit(place: Path) -> dict[str, Any]:
    """Raises UsageError for what is no audit."""
    file = place / "audit.json" if place.is_dir() else place
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if {"mistakes", "scales", "schema_version"} <= document.keys():
            return document
    except (OSError, ValueError, AttributeError):
        pass
    raise click.UsageError(f"{file} is no audit; `tenfold audit SCENARIO -o DIR` keeps one")
