"""One of the guide's mistakes, found in a scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sim.guide.trials import Changes, Gain


@dataclass(frozen=True)
class Found:
    """``where`` in the scenario it stands, what the run shows (``says``, with numbers), the change that mends it, and what that gains or
    costs: paired differences between the scenario as it stands and the mended one.
    """

    where: str
    says: str
    mend: Changes
    todo: str
    gains: tuple[Gain, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "where": self.where,
            "says": self.says,
            "todo": self.todo,
            "mended_by": list(self.mend),
            "gains": [each.as_dict() for each in self.gains],
        }
