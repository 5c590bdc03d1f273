"""What was asked for and reached, where replications were added until the figures were known well enough."""

from __future__ import annotations

from typing import NamedTuple


class Precision(NamedTuple):
    """``reached`` is the relative half-width of each figure; None where it could not be had. ``missed`` are those that did not converge."""

    asked: float
    replications: int
    reached: dict[str, float | None]

    @property
    def missed(self) -> list[str]:
        return [name for name, half in self.reached.items() if half is None or half > self.asked / (1 + self.asked)]

    def as_dict(self) -> dict[str, object]:
        return {"asked": self.asked, "converged": not self.missed, "missed": self.missed, "half_widths": self.reached}

    @property
    def says(self) -> str:
        reached = ", ".join(f"{name} ±{half:.1%}" if half is not None else f"{name} insufficient" for name, half in self.reached.items())
        verdict = f"not converged to {self.asked:.3g}: {', '.join(self.missed)}" if self.missed else f"converged to {self.asked:.3g}"
        return f"{verdict} after {self.replications} replications ({reached})"
