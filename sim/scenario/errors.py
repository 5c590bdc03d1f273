"""What a scenario that is refused says: every problem with its file, line, column and path, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

MOST_SHOWN = 20
MOST_STEPS = 16
PLAIN_KEY = re.compile(r"[A-Za-z0-9_:-]+")


def write_path(steps: Iterable[str | int]) -> str:
    """``workload.requests[1].share``; a key that holds a dot or worse is quoted: ``models["gpt-4.1"]``."""
    text, steps = "", tuple(steps)
    for step in steps[:MOST_STEPS]:
        if isinstance(step, int):
            text += f"[{step}]"
        elif PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += '["' + repr(step)[1:-1] + '"]'
    return text + ("…" if len(steps) > MOST_STEPS else "")


def did_you_mean(word: object, known: Iterable[str], likeness: float = 0.6) -> str:
    """``did you mean 'x'?``, or nothing. ``likeness``: at least so alike, by difflib's ratio."""
    names = list(known)
    near = get_close_matches(str(word), names, n=1, cutoff=likeness) or [name for name in names if name.lower() == str(word).lower()]
    return f"did you mean {near[0]!r}?" if near else ""


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
