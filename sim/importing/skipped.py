"""What could not be used of a log: each reason with its count and the place where it was met first. Nothing is lost without a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sim.scenario.errors import Problem, ScenarioError


@dataclass
class Reason:
    count: int
    file: str
    line: int | None

    def as_dict(self, why: str) -> dict[str, object]:
        return {"why": why, "count": self.count, "first": {"file": self.file, "line": self.line}}


@dataclass
class Skipped:
    """``lines`` were left out; ``notes`` are oddities of rows that were used."""

    lines: dict[str, Reason] = field(default_factory=dict)
    notes: dict[str, Reason] = field(default_factory=dict)

    def line(self, why: str, file: str, line: int | None, count: int = 1) -> None:
        self._add(self.lines, why, file, line, count)

    def rows(self, why: str, file: str, lines: Sequence[int]) -> None:
        if len(lines):
            self._add(self.lines, why, file, int(lines[0]), len(lines))

    def note(self, why: str, file: str, line: int | None, count: int = 1) -> None:
        self._add(self.notes, why, file, line, count)

    @property
    def count(self) -> int:
        return sum(reason.count for reason in self.lines.values())

    def says(self) -> list[str]:
        """One sentence for each reason: the lines left out first, then the oddities."""
        told = []
        for verb, reasons in (("skipped", self.lines), ("note", self.notes)):
            for why, each in reasons.items():
                place = each.file if each.line is None else f"{each.file}:{each.line}"
                told.append(f"{verb}: {each.count:,} × {why}, first at {place}")
        return told

    def add(self, other: Skipped) -> None:
        """What another part of the same log has, which stands behind this one's."""
        for mine, others in ((self.lines, other.lines), (self.notes, other.notes)):
            for why, each in others.items():
                self._add(mine, why, each.file, each.line, each.count)

    @staticmethod
    def _add(reasons: dict[str, Reason], why: str, file: str, line: int | None, count: int) -> None:
        if why in reasons:
            reasons[why].count += count
        else:
            reasons[why] = Reason(count, file, line)


def refuse(file: str, message: str, line: int | None = None, hint: str = "") -> ScenarioError:
    return ScenarioError([Problem(file, message, line, None if line is None else 1, hint=hint)])
