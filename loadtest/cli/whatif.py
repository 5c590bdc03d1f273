"""What ``sweep`` and ``plan`` share: where they keep what is finished, how they tell how far they are, and who computes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadtest.cli.live import LiveView
from loadtest.cli.output import CannotKeep

if TYPE_CHECKING:
    from sim.analysis.so_far import SoFar
    from sim.formatting import Document
    from sim.scenario.load import Loaded
    from sim.scenario.model import Scenario
    from sim.whatif.kept import Kept

LAST, BEST = "the last", "the best within all budgets"


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
    """How many of several are done; the figures of the last evaluation, and of the best so far within all budgets, if that is asked for.

    ``best``: the figure that says which is best, less being better unless ``higher``.
    """

    def __init__(self, what: str, total: int, quiet: bool, best: str | None = None, higher: bool = False) -> None:
        self.what, self.total, self.best, self.sign = what, total, best, -1 if higher else 1
        self.view = LiveView(quiet)
        self.first, self.lowest = True, math.inf

    def __enter__(self) -> Counter:
        self.view.__enter__()
        self.view.begin(self.what, self.total)
        return self

    def __exit__(self, *error: object) -> None:
        self.view.__exit__(*error)

    def tell(self, done: int, document: Document | None = None) -> None:
        if self.first:
            self.first = False
            if done:
                self.view.say(f"{done} of {self.total} {self.what} were finished before")
            self.view.begin(self.what, self.total, done=done)
        self.view.tell(done, {} if document is None else self.rows_of(document))

    def rows_of(self, document: Document) -> dict[str, SoFar]:
        from sim.analysis.so_far import SoFar
        from sim.whatif.evaluation import holds, value_of

        seen = {LAST: SoFar(**document["traffic"])}
        if self.best is not None and holds(document) and (value := self.sign * value_of(document, self.best)) < self.lowest:
            self.lowest = value
            seen = {BEST: SoFar(**document["traffic"]), **seen}
        return seen
