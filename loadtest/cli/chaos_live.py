"""``tenfold chaos NAME --target T``: the faults played by the mocks at their times, against a gateway under real load."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from loadtest.cli import exit_codes

if TYPE_CHECKING:
    from sim.scenario.load import Loaded


def played(loaded: Loaded, overrides: tuple[str, ...], target: str, scale: float, as_json: bool, quiet: bool) -> int:
    """Predict it, play it, and say what was observed and how far both agree. The exit code: 0 all assertions hold in the measurement and
    the model agrees, 3 an assertion does not, 4 they disagree, 5 the measurement is invalid.
    """
    from loadtest.cli.interrupts import ends_cleanly
    from loadtest.cli.predictions import predict_scales
    from loadtest.cli.progress import RunProgress
    from loadtest.measurement.verify import Order, measure
    from mockprovider.processes.supervisor import RunFailed
    from sim.analysis.chaos import chaos_document
    from sim.analysis.chaos_agreement import agreement
    from sim.report.chaos import print_live
    from sim.report.terminal import console_of

    prediction = predict_scales(loaded, [scale], 1, quiet=quiet)[0]  # of the very requests that are sent
    with ends_cleanly():
        try:
            with RunProgress(loaded.scenario.workload.duration, quiet, prediction) as progress:
                measured = measure(Order(loaded, overrides, target, scale), progress.say, progress.tick)
        except RunFailed as failure:
            click.echo(f"measurement invalid: {failure}", err=True)
            return exit_codes.INVALID
    sides = {side: chaos_document(run, loaded.sha256) for side, run in (("prediction", prediction), ("measurement", measured.run))}
    document: dict[str, Any] = {
        **{key: sides["measurement"][key] for key in ("schema_version", "scenario", "scenario_sha256", "seed", "scale")},
        "target": target,
        "why_invalid": list(measured.why_invalid),
        "verdict": "invalid" if measured.why_invalid else sides["measurement"]["verdict"],
        "agreement": agreement(sides["prediction"], sides["measurement"]),
        **sides,
    }
    if as_json:
        click.echo(json.dumps(document, indent=1, allow_nan=False))
    else:
        print_live(document, console_of(sys.stdout))
    if measured.why_invalid:
        return exit_codes.INVALID
    if document["verdict"] != "pass":
        return exit_codes.GATE
    return exit_codes.OK if document["agreement"]["ok"] else exit_codes.DISAGREEMENT
