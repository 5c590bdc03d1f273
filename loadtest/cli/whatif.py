"""What ``sweep`` and ``plan`` share: where they keep what is finished, how they tell how far they are, and who computes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadtest.cli.output import CannotKeep

if TYPE_CHECKING:
    from sim.scenario.load import Loaded
    from sim.scenario.model import Scenario
    from sim.whatif.kept import Kept

LINE_EVERY_S = 5.0
"""Where stderr is no terminal."""


def figure_named(text: str) -> str:
    """Raises UsageError for what is no metric."""
    from sim.scenario.budgets import BudgetError
    from sim.whatif.evaluation import metric_named

    try:
        return metric_named(text)
    except BudgetError as error:
        raise click.UsageError(str(error).partition(": ")[2]) from None


def folder_for(out: Path | None, as_json: bool, base: Loaded, kind: str) -> Path | None:
    """Where finished evaluations and results are kept; None: nowhere. Raises UsageError."""
    from sim.results.store import default_place
    from sim.whatif.kept import NotOurs, open_folder

    if as_json and out is None:
        return None
    folder = out or default_place(base.scenario.name, kind)
    try:
        open_folder(folder, kind, base)
    except NotOurs as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"{folder} cannot be written: {error.strerror or error}") from None
    return folder


@contextmanager
def disk_takes_results() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        raise CannotKeep(f"the results could not be written: {error.strerror or error}") from error


@contextmanager
def resumable(folder: Path | None, kept: Kept) -> Iterator[None]:
    """Ctrl-C: say what is kept and how to go on."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        if folder is not None and kept.found:
            many = len(kept.found)
            said = f"{many} finished prediction{'s' * (many != 1)} kept in {folder}; the same command with -o {folder} goes on from there"
            click.echo(said, err=True)
        raise


def workers_that_pay(
    workers: int | None, cluster: str | None, scenario: Scenario, scale: float, predictions: int, engine: str
) -> int | None:
    """``workers``, or 1 where the work is too little for starting processes; ``predictions``: how many replications there are in all."""
    from loadtest.cli.predictions import WORTH_A_POOL
    from sim.scenario.size import expected_requests

    if workers is not None or cluster is not None:
        return workers
    requests = expected_requests(scenario, scale) * predictions
    return 1 if 0 < requests < WORTH_A_POOL[engine] else None


def processes(workers: int | None) -> int:
    import os

    return len(os.sched_getaffinity(0)) if workers is None else workers


class Counter:
    """How many of several are done: a bar on a terminal, a line now and then elsewhere, nothing if quiet."""

    def __init__(self, what: str, total: int, quiet: bool) -> None:
        self.what, self.total, self.quiet = what, total, quiet
        self.live = not quiet and sys.stderr.isatty()
        self.begun = self.spoke = time.monotonic()
        self.kept = 0

    def __enter__(self) -> Counter:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not self.live)
        self.bar.start()
        self.task = self.bar.add_task(self.what, total=self.total)
        self.first = True
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def tell(self, done: int) -> None:
        self.bar.update(self.task, completed=done)
        if self.quiet:
            return
        if self.first:
            self.first, self.kept = False, done
            if done:
                click.echo(f"{done} of {self.total} {self.what} were finished before", err=True)
            return
        now = time.monotonic()
        if not self.live and now - self.spoke >= LINE_EVERY_S:
            self.spoke = now
            left_s = (now - self.begun) / max(1, done - self.kept) * (self.total - done)
            click.echo(f"{done} of {self.total} {self.what}, about {left_s:.0f} s left", err=True)
