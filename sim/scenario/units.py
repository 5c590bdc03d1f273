"""Quantities as people write them in a scenario: ``250ms``, ``4/s``, ``60000 USD``. Seconds and US dollars inside."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
PER = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0}
NUMBER = r"((?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
DURATION = re.compile(rf"{NUMBER}\s*({'|'.join(sorted(SECONDS, key=len, reverse=True))})")
THOUSANDS = {"k": 1e3, "M": 1e6}
RATE = re.compile(rf"{NUMBER}\s*([kM])?\s*/\s*{NUMBER}?\s*({'|'.join(sorted(PER, key=len, reverse=True))})")

PLAIN = re.compile(rf"{NUMBER}\s*([kM])")
PERCENT = re.compile(rf"{NUMBER}\s*%")


class Seconds(float):
    """A duration that was written with its unit, so that a count written where a time belongs is noticed."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` per ``per_s`` seconds. As a limit, ``count`` is also the burst and ``per_s`` the window."""

    count: float
    per_s: float

    @property
    def rps(self) -> float:
        return self.count / self.per_s

    def times(self, factor: float) -> Rate:
        return Rate(self.count * factor, self.per_s)

    def __str__(self) -> str:
        unit = {1e-3: "ms", 1.0: "s", 60.0: "min", 3600.0: "h", 86400.0: "day"}.get(self.per_s, f"{self.per_s:.12g}s")
        return f"{self.count:.12g}/{unit}"


def parse_duration(value: object) -> Seconds:
    """Seconds from ``250ms``, ``10s``, ``5m``, ``2h``, ``1d`` (or a bare 0). Raises ValueError that says what was expected."""
    if isinstance(value, Seconds):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0:
        return Seconds(0.0)
    found = DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        raise ValueError("expected a duration with its unit, such as 250ms, 10s, 5m or 2h")
    return Seconds(finite(float(found[1]) * SECONDS[found[2]]))


def parse_rate(value: object) -> Rate:
    """A Rate from ``4/s``, ``60/min``, ``20/10s``, ``5000/day``, ``2M/min``. Raises ValueError that says what was expected."""
    if isinstance(value, Rate):
        return value
    found = RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        raise ValueError("expected a rate with its unit, such as 4/s, 60/min or 1000/h")
    per_s = PER[found[4]] * float(found[3] or 1)
    if not 0 < per_s < math.inf:
        raise ValueError("expected a rate over a time above zero, such as 20/10s")
    return Rate(finite(float(found[1]) * THOUSANDS.get(found[2], 1.0)), per_s)


def parse_share(value: object) -> object:
    """0.7 from ``70%``; anything else as it is."""
    found = PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    return finite(float(Decimal(found[1]).scaleb(-2))) if found else value


def finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("expected a finite number")
    return value
