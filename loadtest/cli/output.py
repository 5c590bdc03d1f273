"""Run directories for the verbs that write or read them: store errors as what the command line says."""

from __future__ import annotations

from errno import EDQUOT, EIO, ENOSPC
from pathlib import Path

import click

from sim.results.results import Results
from sim.results.store import StoreError, default_place, prepare, read_results, write_results


class CannotKeep(click.ClickException):
    """A result that could not be written."""

    exit_code = 1


def prepared(out: Path | None, scenario: str, kind: str) -> Path:
    """Where a run will be written, checked before any work is done. Raises UsageError."""
    try:
        return prepare(out or default_place(scenario, kind))
    except StoreError as error:
        raise click.UsageError(str(error)) from None


def keep(results: Results, place: Path) -> None:
    """Write the run directory, report included. Raises CannotKeep."""
    from sim.report.render import render

    try:
        write_results(results, place, render)
    except StoreError as error:
        raise CannotKeep(str(error)) from error


def kept(place: Path) -> Results:
    """Read a run directory. Raises UsageError for one that cannot be read."""
    try:
        return read_results(place)
    except StoreError as error:
        raise click.UsageError(str(error)) from error


def write_text(place: Path, text: str, append: bool = False) -> None:
    """Raises UsageError for a place that cannot be written to, CannotKeep for a disk that is full or broken."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        message = f"{place} cannot be written: {error.strerror or error}"
        raise CannotKeep(message) if error.errno in (ENOSPC, EDQUOT, EIO) else click.UsageError(message) from error
