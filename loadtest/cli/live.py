"""How far a verb is and what it has seen so far, on stderr: a live view on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sim.analysis.so_far import SoFar

LINE_EVERY_S = 10.0
"""Where stderr is no terminal."""
MOST_ROWS = 8
"""Of figures that a view shows at once, the last."""


class LiveView:
    """``begin`` a piece of work, ``tell`` how far it is and what was seen; ``say`` a line that stays. Nothing of it if ``quiet``.

    On a terminal the view goes when its context is left, however that happens, and SIGTERM is taken like Ctrl-C until then.
    """

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.live = not quiet and sys.stderr.isatty()
        self.rows: dict[str, SoFar] = {}
        self.what = self.unit = ""
        self.total: float | None = None
        self.done = 0.0
        self.begun = self.spoke = time.monotonic()
        self.begun_at = 0.0
        self.stack = ExitStack()

    def __enter__(self) -> LiveView:
        if self.live:
            from rich.console import Console
            from rich.live import Live
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            from loadtest.cli.interrupts import ends_cleanly

            done = MofNCompleteColumn(), TextColumn("{task.fields[unit]}", markup=False)
            columns = (TextColumn("{task.description}", markup=False), BarColumn(), *done, TimeElapsedColumn(), TimeRemainingColumn())
            console = Console(stderr=True)
            self.bar = Progress(*columns, console=console)
            self.task = self.bar.add_task("", total=None, unit="")
            self.stack.enter_context(ends_cleanly())
            self.stack.enter_context(Live(console=console, get_renderable=self.drawn, transient=True))
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.__exit__(*error)

    def begin(self, what: str, total: float | None = None, unit: str = "", done: float = 0) -> None:
        """``total``, ``done``: of ``unit`` (a plural); None: nobody knows."""
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self.begun, self.begun_at = time.monotonic(), done
        self.spoke = self.begun
        if self.live:
            self.bar.reset(self.task, description=what, total=total, completed=int(done), unit=unit)

    def wants(self) -> bool:
        """Whether what is told now would be shown, for what costs something to find out."""
        return self.live or (not self.quiet and time.monotonic() - self.spoke >= LINE_EVERY_S)

    def tell(self, done: float, seen: Mapping[str, SoFar] | None = None, what: str | None = None, words: str = "") -> None:
        """``seen``: rows of figures by name, over what they were; ``what``: another name of the work; ``words``: more on it."""
        self.done, self.what = done, what or self.what
        for name, figures in (seen or {}).items():
            self.rows.pop(name, None)
            self.rows[name] = figures
        if self.live:
            self.bar.update(self.task, description=f"{self.what}{words and f': {words}'}", completed=int(done), total=self.total)
        elif self.wants():
            self.spoke = time.monotonic()
            click.echo(self.line(words), err=True)

    def say(self, line: str) -> None:
        if not self.quiet:
            click.echo(line, err=True)

    def line(self, words: str) -> str:
        """Where it stands, and the figures told last."""
        done = f"{self.done:.0f} of {self.total:.0f} {self.unit}" if self.total else f"{self.done:.0f} {self.unit}"
        parts = [done.strip(), words, self.left()]
        if self.rows:
            name, figures = next(reversed(self.rows.items()))
            shown = figures.shown()
            parts += [f"{name}: {', '.join(f'{words} {value}' for words, value in shown.items())}"] if shown else []
        return f"{self.what}: {'; '.join(filter(None, parts))}"

    def left(self) -> str:
        if self.total is None or not self.begun_at < self.done < self.total:
            return ""
        left_s = (time.monotonic() - self.begun) / (self.done - self.begun_at) * (self.total - self.done)
        return f"about {left_s:.0f} s left"

    def drawn(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        shown = {name: figures.shown() for name, figures in list(self.rows.items())[-MOST_ROWS:]}
        columns = dict.fromkeys(words for each in shown.values() for words in each)
        if not columns:
            return self.bar
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("")
        for words in columns:
            table.add_column(words, justify="right", style="bold")
        for name, each in shown.items():
            table.add_row(Text(name), *(each.get(words, "") for words in columns))
        return Group(self.bar, table)
