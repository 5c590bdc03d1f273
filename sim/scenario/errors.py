"""What a scenario that is refused says: every problem with its file, line, column and path, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

MOST_SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """One thing wrong. ``line`` and ``column`` count from 1; None where the problem has no line (a missing file, ``--set``)."""

    file: str
    message: str
    line: int | None = None
    column: int | None = None
    path: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"
        what = f"{self.path}: {self.message}" if self.path else self.message
        return f"{place}: {what}" + (f"\n    {self.hint}" if self.hint else "")


class ScenarioError(Exception):
    """A scenario that cannot be used, with all its ``problems`` in file order. The command line prints it and exits 2."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(str(self))

    def __str__(self) -> str:
        shown = [str(problem) for problem in self.problems[:MOST_SHOWN]]
        more = len(self.problems) - len(shown)
        if more:
            shown.append(f"… and {more} more")
        return "\n".join(shown)
