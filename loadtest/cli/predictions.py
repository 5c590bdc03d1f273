"""Predictions for the verbs that need them: over all cores, with progress on stderr, interruptible."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadtest.cli import exit_codes
from loadtest.cli.output import CannotKeep
from sim.data.run import Run
from sim.data.spill import CannotSpill, RowKeeper
from sim.engine.selection import Choice, choose_one
from sim.scenario.load import Loaded

if TYPE_CHECKING:
    from sim.engine.replication import Part

WORTH_A_POOL = {"simpy": 30_000, "compiled": 5_000_000}
"""Requests, over all replications, from which starting processes pays. Compiled code answers for a million in some two seconds; a worker
takes as long to load it, and hands its rows over.
"""


def predict_scales(
    loaded: Loaded,
    scales: Sequence[float],
    replications: int,
    seed: int | None = None,
    quiet: bool = False,
    precision: float | None = None,
    engine: str = "auto",
    keeper: RowKeeper | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    beside: Loaded | None = None,
) -> list[Run]:
    """One predicted Run per scale, in their order; with ``precision``, as many replications as that takes.

    Warnings about the scenario, the engine of long runs that ``auto`` takes, and progress go to stderr; ``quiet``: warnings only.
    ``keeper``: keeps the rows, also of other predictions (default: ``keeper_of_rows()``). ``workers``, ``cluster``: who does the
    replications, see ``sim.engine.executors.open_executor``; with neither, as many processes as pay. The result does not depend on it.
    ``beside``: a scenario that this one is compared with, so that one engine has to do for both.

    Raises ScenarioError if the engine asked for cannot run the scenario, and for more requests than a run may have, and UsageError for
    a memory that cannot be set or a cluster that cannot be reached, before any work; CannotKeep if the disk is full.
    """
    from loadtest.cli.live import LiveView
    from sim.analysis.so_far import Tally
    from sim.engine.runner import predict, predict_to_precision
    from sim.scenario.size import refuse_too_many

    for scale in scales:
        refuse_too_many(loaded.scenario, scale, replications)
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    sides = [side.scenario for side in (loaded, beside) if side is not None]
    choices = [choose_one(engine, sides, scale, replications) for scale in scales]
    for scale, choice in zip(scales, choices, strict=True):
        if choice.engine == "compiled" and not quiet:
            click.echo(f"engine at {scale:g}x: {choice.engine} ({choice.why})", err=True)
    keeper = keeper or keeper_of_rows()
    if workers is None and cluster is None and little_to_do(loaded, zip(scales, choices, strict=True), replications):
        workers = 1
    runs = []
    with (
        executor_of(workers, cluster) as executor,
        no_worker_survives(),
        disk_takes_rows(),
        LiveView(quiet) as view,
    ):
        for scale, choice in zip(scales, choices, strict=True):
            view.begin(f"predicting {scale:g}x", None if precision else replications, "replications")
            tally = Tally(loaded.scenario.workload.duration)

            def tell(done: int, part: Part, name: str = f"{scale:g}x", tally: Tally = tally) -> None:
                if not quiet:
                    tally.add(part.requests, part.timeline)
                    view.tell(done, {name: tally.so_far()} if view.wants() else None)

            if precision is None:
                runs.append(predict(loaded.scenario, scale, replications, seed, executor, tell, choice.engine, keeper))
            else:
                runs.append(predict_to_precision(loaded.scenario, precision, scale, seed, executor, tell, choice.engine, keeper=keeper))
    return runs


def little_to_do(loaded: Loaded, runs: Iterable[tuple[float, Choice]], replications: int) -> bool:
    """No run is long enough for its engine to have it done by several processes."""
    from sim.scenario.size import expected_requests

    lengths = [(expected_requests(loaded.scenario, scale) * replications, WORTH_A_POOL[choice.engine]) for scale, choice in runs]
    return replications == 1 or all(0 < requests < worth for requests, worth in lengths)


class ClusterFailed(click.ClickException):
    """A cluster that answered, and did not do the work."""

    exit_code = exit_codes.INTERNAL


@contextmanager
def executor_of(workers: int | None, cluster: str | None) -> Iterator[Executor | None]:
    """``sim.engine.executors.open_executor``. Raises UsageError for both at once or a cluster out of reach; ClusterFailed."""
    from sim.engine.executors import open_executor

    if workers is not None and cluster is not None:
        raise click.UsageError("--workers are processes of this machine, --cluster has its own: give one of the two")
    with ExitStack() as stack:
        try:
            executor = stack.enter_context(open_executor(workers, cluster))
        except ModuleNotFoundError as error:
            raise click.UsageError(str(error)) from error
        except (OSError, TypeError, ValueError) as error:  # distributed says of tls:// without certificates: TypeError
            if cluster is None:
                raise
            raise click.UsageError(f"no Dask scheduler answers at {cluster}: {error}") from error
        try:
            yield executor
        except (CancelledError, ModuleNotFoundError) as error:
            if cluster is None:
                raise
            lost = isinstance(error, CancelledError)
            why = "it was lost while replications ran" if lost else f"its workers need Tenfold as it is installed here ({error})"
            raise ClusterFailed(f"the Dask cluster at {cluster}: {why}") from error


def keeper_of_rows(place: Path | None = None) -> RowKeeper:
    """One that writes what memory should not hold to a temporary folder beside ``place``, the run directory that is to be.

    Raises UsageError for a memory that cannot be set.
    """
    try:
        return RowKeeper(parent=None if place is None else place.parent)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@contextmanager
def disk_takes_rows() -> Iterator[None]:
    try:
        yield
    except CannotSpill as error:
        raise CannotKeep(str(error)) from error


@contextmanager
def no_worker_survives() -> Iterator[None]:
    """On Ctrl-C or a failure, do not wait for replications that nobody will read."""
    try:
        yield
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
