"""Laws of ``sim.stochastics.distributions`` as rows of numbers, for compiled code to draw from."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from sim.scenario.distributions import Distribution
from sim.stochastics.distributions import recorded, sigma

CONSTANT, EXPONENTIAL, GEOMETRIC, LOGNORMAL, WEIBULL, UNIFORM, EMPIRICAL, GAMMA, MIXTURE, SHIFTED = range(10)
LAW = np.dtype([("kind", "i8"), ("a", "f8"), ("b", "f8"), ("first", "i8"), ("count", "i8")])
NO_LAW = -1


class Laws:
    """Laws as rows of LAW, with the numbers they point to (``first``, ``count``)."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, float, float, int, int]] = []
        self.numbers: list[float] = []

    def add(self, law: Distribution | None) -> int:
        """Number of the law's row; NO_LAW without a law."""
        if law is None:
            return NO_LAW
        row = self.row(law)
        self.rows.append(row)
        return len(self.rows) - 1

    def row(self, law: Distribution) -> tuple[int, float, float, int, int]:
        if law.kind == "constant":
            return CONSTANT, law.value, 0.0, 0, 0
        if law.kind == "exponential" or (law.kind == "gamma" and law.cv == 1):
            return EXPONENTIAL, law.mean, 0.0, 0, 0
        if law.kind == "gamma":
            return GAMMA, law.mean * law.cv**2, law.cv**-2, 0, 0
        if law.kind == "geometric":
            return GEOMETRIC, law.mean, 0.0 if law.mean == 1 else math.log1p(-1 / law.mean), 0, 0
        if law.kind == "lognormal":
            return LOGNORMAL, law.median, sigma(law), 0, 0
        if law.kind == "weibull":
            return WEIBULL, law.scale, 1 / law.shape, 0, 0
        if law.kind == "uniform":
            return UNIFORM, law.low, law.high - law.low, 0, 0
        if law.kind == "empirical":
            return EMPIRICAL, 0.0, 0.0, *self.keep(np.sort(recorded(law)))
        if law.kind == "shifted":
            return SHIFTED, law.by, 0.0, self.add(law.of), 0
        parts = [float(self.add(part.of)) for part in law.parts]
        ends = np.cumsum([part.weight for part in law.parts])
        first, count = self.keep(ends / ends[-1])
        self.keep(parts)
        return MIXTURE, 0.0, 0.0, first, count

    def keep(self, values: Iterable[float]) -> tuple[int, int]:
        first = len(self.numbers)
        self.numbers.extend(values)
        return first, len(self.numbers) - first

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.rows, LAW), np.array(self.numbers, np.float64)
