"""``--calibration FILE``: what ``calibrate`` found, laid over a scenario; what differs from there is said on stderr."""

from __future__ import annotations

from pathlib import Path

import click


def laid_over(file: Path, scenario: str, quiet: bool) -> list[str]:
    """Overrides for the scenario. Raises UsageError for a file that is no calibration, ScenarioError for a scenario that is none."""
    from loadtest.calibration.calibrate import identity_of
    from loadtest.calibration.calibration import BadCalibration, read_calibration
    from sim.gateway.language import load

    try:
        calibration = read_calibration(file)
    except BadCalibration as error:
        raise click.UsageError(str(error)) from None
    here = identity_of(load(scenario), calibration.identity.target)
    if not quiet:
        for words in calibration.identity.differences(here):
            click.echo(f"warning: {file} was measured elsewhere: {words}; calibrate again to be sure", err=True)
        for words in calibration.cautions():
            click.echo(f"warning: {file}: {words}", err=True)
    return calibration.overrides()
