"""One limit's row in ``Run.usage``, and the refusals that it accounts for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from sim.kernel.refusals import NAMES, NOT_REFUSED

Row = dict[str, Any]
CODES = 1 << 16


class Refusals:
    """Refused requests or attempts of a run, counted by target and by the limit that said no, as their rows have it.

    ``take`` counts those of a limit once and for all: what nobody takes is left over in ``rest``. ``target``: default one for all.
    """

    def __init__(self, of: Literal["requests", "attempts"], refused_by: np.ndarray, target: np.ndarray | None = None) -> None:
        self.of, self.among = of, len(refused_by)
        refused = np.flatnonzero(refused_by != NOT_REFUSED)
        places = np.zeros(len(refused), np.int64) if target is None else target[refused].astype(np.int64)
        cells, counts = np.unique(places * CODES + refused_by[refused], return_counts=True)
        self.counts = {divmod(cell, CODES): count for cell, count in zip(cells.tolist(), counts.tolist(), strict=True)}

    def take(self, codes: Iterable[int], targets: Iterable[int] = (0,)) -> int:
        places = tuple(targets)
        return sum(self.counts.pop((place, code), 0) for code in codes for place in places)

    def rest(self, names: Mapping[int, str], targets: Iterable[int] = (0,), at: str = "") -> Iterator[Row]:
        """A row for every limit that refused and has no capacity to be compared with: a breaker, a fault."""
        places = tuple(targets)
        for code in sorted({code for place, code in self.counts if place in places}):
            words = names.get(code) or NAMES.get(code) or f"limit {code}"
            yield refusing({"limit": words + at, "capacity": None, "unit": "", "demand": None, "load": None}, self, (code,), places)


def row(
    words: str, capacity: float, unit: str, demand: float, refusals: Refusals, codes: Iterable[int], targets: Iterable[int] = (0,)
) -> Row:
    """A limit with what the offered traffic asks of it, and what it refused: the refusals with its ``codes`` at these ``targets``."""
    made = {"limit": words, "capacity": capacity, "unit": unit, "demand": demand, "load": demand / capacity}
    return refusing(made, refusals, codes, targets)


def refusing(made: Row, refusals: Refusals, codes: Iterable[int], targets: Iterable[int]) -> Row:
    refused = refusals.take(codes, targets)
    return made | {"refused": refused, "refused_share": refused / max(1, refusals.among), "refused_of": refusals.of}
