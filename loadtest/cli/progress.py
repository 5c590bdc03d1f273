"""What the verbs that run real traffic share: progress on stderr, and Ctrl-C or SIGTERM taken at any moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from mockprovider.processes.supervisor import Interrupted, interruptible

LINE_EVERY_S = 15.0  # where stderr is no terminal


class RunProgress:
    """``say`` what is being done; ``tick`` as requests are answered.

    A bar on a terminal, a line now and then elsewhere, nothing if quiet.
    """

    def __init__(self, duration_s: float, quiet: bool) -> None:
        self.duration_s = duration_s
        self.quiet = quiet
        self.live = not quiet and sys.stderr.isatty()
        self._spoke_at = time.monotonic()

    def __enter__(self) -> RunProgress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"), TimeElapsedColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not self.live)
        self._bar.start()
        self._task = self._bar.add_task("starting", total=self.duration_s, counts="")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, what: str) -> None:
        self._bar.update(self._task, description=what, counts="")
        if not self.live and not self.quiet:
            click.echo(what, err=True)

    def tick(self, elapsed_s: float, planned: int, requests: int, failures: int) -> None:
        counts = f"{requests:,} of {planned:,} answered" if planned else f"{requests:,} answered"
        if failures:
            counts += f", {failures:,} not served"
        waiting = elapsed_s > self.duration_s
        what = "waiting for the last answers" if waiting else "running"
        self._bar.update(self._task, description=what, completed=min(elapsed_s, self.duration_s), counts=counts)
        if not self.live and not self.quiet and time.monotonic() - self._spoke_at >= LINE_EVERY_S:
            self._spoke_at = time.monotonic()
            click.echo(f"{what}: {min(elapsed_s, self.duration_s):.0f} of {self.duration_s:.0f} s, {counts}", err=True)


@contextmanager
def ends_cleanly() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C: everything is unwound, exit code 130."""
    try:
        with interruptible():
            yield
    except Interrupted:
        raise click.Abort from None
