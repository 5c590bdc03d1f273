"""What an experiment has found out: a figure with its interval and its evidence, that nothing is enforced, or why it is not known."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import ceil, floor, isfinite, log10
from typing import Any

FOUND, NONE, UNKNOWN = "found", "none", "not found out"


@dataclass(frozen=True)
class Figure:
    """One property of a gateway. ``path``: where a scenario says it, None if it has no word for it. ``value``: as a scenario writes it.

    ``low`` and ``high`` bound the value in its base unit (seconds, counts, shares). ``state`` is FOUND; NONE (nothing such up to what was
    tried, which ``evidence`` says); or UNKNOWN, with the reason in ``evidence``, and perhaps with what it is at least, ``low``. ``fit``:
    goodness of fit, where a law was fitted. ``warning``: why the value, as laid over a scenario, is not what was seen.
    """

    name: str
    state: str
    evidence: str
    path: str | None = None
    value: Any = None
    low: float | None = None
    high: float | None = None
    fit: dict[str, Any] = field(default_factory=dict)
    warning: str | None = None

    def document(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value not in (None, {})}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Figure:
        return cls(**document)


def found(
    name: str, path: str | None, value: Any, evidence: str, low: float | None = None, high: float | None = None, **fit: Any
) -> Figure:
    return Figure(name, FOUND, evidence, path, value, low, high, fit)


def nothing(name: str, path: str | None, evidence: str) -> Figure:
    """Nothing such is enforced, up to what ``evidence`` says was tried."""
    return Figure(name, NONE, evidence, path)


def unknown(name: str, path: str | None, why: str, at_least: float | None = None) -> Figure:
    return Figure(name, UNKNOWN, why, path, low=at_least)


def roundest(low: float, high: float) -> float:
    """The number of the fewest digits in [low, high], 0 < low: people configure round numbers, and measure brackets around them.

    Among equally short ones, the one nearest the middle. An interval that holds no number of three digits gives its middle.
    """
    middle = (low + high) / 2
    for digits in (1, 2, 3):
        for half in (True, False):  # 5, 25, 150 … are rounder than 7, 23, 170
            step = 10.0 ** (floor(log10(high)) - digits + 1) * (5 if half and digits > 1 else 1)
            steps = range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)
            if len(steps) > 0:
                return float(f"{min((k * step for k in steps), key=lambda value: abs(value - middle)):.6g}")
    return middle


def duration(seconds: float) -> str:
    """As a scenario writes it."""
    if not isfinite(seconds):
        return "null"
    return f"{seconds * 1e3:.4g}ms" if seconds < 1 else f"{seconds:.4g}s"
