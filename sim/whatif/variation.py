"""What is varied: ``gateway.queue.concurrency=32,64,128`` or ``…=16..256``, and the configurations that a grid or a sample makes of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from sim.scenario.units import NUMBER

RANGE = re.compile(rf"\s*{NUMBER}\s*(\S*?)\s*\.\.\s*{NUMBER}\s*(\S*)\s*")
WHOLE = re.compile(r"\d+")
DIGITS = 4
"""Significant digits of a value drawn from a range."""
OPENING, CLOSING, QUOTES = "([{", ")]}", "\"'"
Settings = tuple[tuple[str, str], ...]
"""Paths with their values, as text: what ``--set`` takes."""


class VariationError(ValueError):
    """What cannot be varied. The message says what was expected."""


@dataclass(frozen=True)
class Span:
    """Values from ``low`` to ``high``, both included, with one unit."""

    low: float
    high: float
    unit: str
    whole: bool

    def __len__(self) -> int:
        """Of a span of whole numbers; of any other only that it has more than can be tried."""
        return int(self.high - self.low) + 1 if self.whole else 2**31

    def at(self, share: float) -> str:
        """The value at a share in [0, 1] of the way."""
        if self.whole:
            return f"{int(self.low) + min(len(self) - 1, int(share * len(self)))}{self.unit}"
        return f"{float(f'{self.low + share * (self.high - self.low):.{DIGITS}g}'):.12g}{self.unit}"


@dataclass(frozen=True)
class Listed:
    """Values one by one."""

    values: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def at(self, share: float) -> str:
        return self.values[min(len(self) - 1, int(share * len(self)))]


@dataclass(frozen=True)
class Knob:
    """A path of the scenario and the values that it may take."""

    path: str
    values: Span | Listed

    @property
    def every(self) -> Iterator[str]:
        """All values, in their order. Raises VariationError for a range that is not of whole numbers."""
        if isinstance(self.values, Listed):
            return iter(self.values.values)
        if not self.values.whole:
            raise VariationError(f"{self.path}: a range of fractions has no end of values; list them, or say how many to try")
        return (f"{number}{self.values.unit}" for number in range(int(self.values.low), int(self.values.high) + 1))


def parse_knob(text: str) -> Knob:
    """From ``path=a,b,c`` or ``path=lo..hi``. Commas inside brackets and quotes part nothing. Raises VariationError."""
    path, equals, values = text.partition("=")
    path = path.strip()
    if not equals or not path or not values.strip():
        raise VariationError(f"expected path.to.key=a,b,c or path.to.key=lo..hi, found {text!r}")
    if path == "seed":
        raise VariationError(
            "every configuration runs with the same random numbers, so the seed cannot be varied; --seed gives all another"
        )
    if found := RANGE.fullmatch(values):
        return Knob(path, span(path, *found.groups()))
    parts = tuple(part.strip() for part in parted(values))
    if "" in parts:
        raise VariationError(f"{path}: a value is missing in {values!r}")
    if twice := [part for place, part in enumerate(parts) if part in parts[:place]]:
        raise VariationError(f"{path}: {twice[0]} stands there twice")
    return Knob(path, Listed(parts))


def span(path: str, low: str, first_unit: str, high: str, unit: str) -> Span:
    if first_unit and first_unit != unit:
        raise VariationError(f"{path}: give both ends of a range in one unit, found {low}{first_unit} and {high}{unit}")
    made = Span(float(low), float(high), unit, whole=WHOLE.fullmatch(low) is not None and WHOLE.fullmatch(high) is not None)
    if not made.low < made.high or not math.isfinite(made.high):
        raise VariationError(f"{path}: expected a range that begins with its lower end, found {low}..{high}")
    return made


def parse_knobs(texts: Sequence[str]) -> tuple[Knob, ...]:
    """Raises VariationError, also for a path that stands there twice."""
    knobs = tuple(map(parse_knob, texts))
    paths = [knob.path for knob in knobs]
    if twice := [path for place, path in enumerate(paths) if path in paths[:place]]:
        raise VariationError(f"{twice[0]} is varied twice; give all its values at once")
    return knobs


def parted(text: str) -> Iterator[str]:
    """``a, {b: [1, 2]}, "c,d"`` in three."""
    depth, quote, begins = 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in QUOTES:
            quote = letter
        elif letter in OPENING + CLOSING:
            depth += 1 if letter in OPENING else -1
        elif letter == "," and not depth:
            yield text[begins:place]
            begins = place + 1
    yield text[begins:]


# ---- configurations ---------------------------------------------------------------------------------------------------
def grid_size(knobs: Sequence[Knob]) -> int:
    return math.prod(len(knob.values) for knob in knobs)


def grid(knobs: Sequence[Knob]) -> list[Settings]:
    """Every combination, the last path changing fastest."""
    return [tuple(zip((knob.path for knob in knobs), values, strict=True)) for values in product(*(list(knob.every) for knob in knobs))]


def sample(knobs: Sequence[Knob], count: int, seed: int) -> list[Settings]:
    """A Latin hypercube: ``count`` configurations, of which each path's range is covered evenly (McKay, Beckman & Conover, 1979)."""
    from scipy.stats.qmc import LatinHypercube

    shares = LatinHypercube(len(knobs), seed=seed).random(count)
    return [settings_at(knobs, row) for row in shares.tolist()]


def settings_at(knobs: Sequence[Knob], shares: Sequence[float]) -> Settings:
    """The values at these places of the knobs' ranges, each in [0, 1]."""
    return tuple((knob.path, knob.values.at(share)) for knob, share in zip(knobs, shares, strict=True))


def ends(knobs: Sequence[Knob]) -> list[Settings]:
    """All knobs at their first values, and all at their last: what is wrong with a path shows there."""
    return [settings_at(knobs, [share] * len(knobs)) for share in (0.0, 1.0)]


def as_words(settings: Settings) -> str:
    """``gateway.queue.concurrency=64 gateway.workers=2``; of none: ``the scenario as it stands``."""
    return " ".join(f"{path}={value}" for path, value in settings) or "the scenario as it stands"
