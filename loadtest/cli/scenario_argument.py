"""How a verb loads its scenario: like ``sim.scenario.load``, with the warnings told on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sim.scenario.load import Loaded


def load_scenario(path: str, overrides: Sequence[str] = (), quiet: bool = False) -> Loaded:
    """Raises ScenarioError, which the command line prints before it exits 2."""
    from sim.gateway.language import load

    loaded = load(path, overrides)
    if not quiet:
        for warning in loaded.warnings:
            click.echo(f"warning: {warning}", err=True)
    return loaded
