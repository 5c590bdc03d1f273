"""Is an imported scenario right? Its prediction at 1x beside the log itself, and a fit on the log's first part beside the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.formatting import listed, say

if TYPE_CHECKING:
    from sim.data.run import Run
    from sim.importing.calls import Calls
    from sim.scenario.load import Loaded

Known = tuple[float, float | None, float | None]
PARTS, STUDENT = 10, 2.262
Predict = Callable[["Loaded", int], "Run"]
PREDICTED_CALLS, FEWEST_CALLS = 40_000, 299
FIRST_PART = 0.7
BARS = {"latency_s.p50": 0.03, "latency_s.p99": 0.08, "cost_usd.per_request": 0.02, "availability": 0.01}
CHANGE = {
    "latency_s.p50": "providers.NAME.models.MODEL.ttft, per_token or latency; or import the log of a time in which they were steady",
    "latency_s.p99": "their tails: ttft, per_token or latency of a mixture; or the faults, if the log has slow spells",
    "cost_usd.per_request": "providers.NAME.models.MODEL.price, and tokens of the request classes",
    "availability": "providers.NAME.errors and faults; or gateway.retry and fallback, if they heal what failed in the log",
}
"""Where the scenario says what a figure comes from."""
WORDS = {"latency_s.p50": "P50", "latency_s.p99": "P99", "cost_usd.per_request": "cost", "ttft_s.p50": "first token P50",
         "availability": "availability", "offered_rps": "rate", "tokens.input_per_request": "input tokens",
         "tokens.output_per_request": "output tokens", "cache_hit_rate": "cache hits"}  # fmt: skip
UNITS = {"latency_s": "s", "ttft_s": "s", "cost_usd": "USD", "availability": "share", "offered_rps": "/s", "cache_hit_rate": "share"}


@dataclass(frozen=True)
class Figure:
    """One figure of the log with its 95 % interval (None: not known), and the prediction's."""

    log: float
    log_low: float | None
    log_high: float | None
    predicted: float
    low: float | None
    high: float | None

    @property
    def error(self) -> float:
        return float(self.predicted / self.log - 1) if self.log else 0.0

    @property
    def overlaps(self) -> bool:
        """Whether the two intervals have a value in common."""
        ours = self.predicted if self.low is None else self.low, self.predicted if self.high is None else self.high
        theirs = self.log if self.log_low is None else self.log_low, self.log if self.log_high is None else self.log_high
        return bool(ours[0] <= theirs[1] and theirs[0] <= ours[1])

    def as_dict(self) -> dict[str, Any]:
        return {
            "log": {"value": float(self.log), "low": self.log_low, "high": self.log_high},
            "predicted": {"value": self.predicted, "low": self.low, "high": self.high},
            "error": self.error,
            "overlaps": self.overlaps,
        }


@dataclass(frozen=True)
class BackTest:
    """Figures by metric; ``calls`` of the log that they are about. ``drift``: what changed in the log before them, of a hold-out."""

    figures: dict[str, Figure]
    calls: int
    drift: tuple[str, ...] = ()

    @property
    def held(self) -> dict[str, Figure]:
        return {name: figure for name, figure in self.figures.items() if name in BARS}

    @property
    def ok(self) -> bool:
        return all(abs(figure.error) <= BARS[name] for name, figure in self.held.items())

    @property
    def inside(self) -> bool:
        """Every figure with a bar is within it, or within what chance allows."""
        return all(figure.overlaps or abs(figure.error) <= BARS[name] for name, figure in self.held.items())

    @property
    def worst(self) -> float:
        return max((abs(figure.error) / BARS[name] for name, figure in self.held.items()), default=0.0)

    def says(self, bars: bool = True) -> str:
        """``P50 +0.8 % (bar 3 %), P99 -2.1 % (bar 8 %) and cost +0.3 % (bar 2 %)``."""
        told = [
            f"{WORDS[name]} {figure.error * 100:+.1f} %" + (f" (bar {BARS[name]:.0%})".replace("%)", " %)") if bars else "")
            for name, figure in self.held.items()
        ]
        return listed(told)

    def off(self) -> list[str]:
        """A line for each figure beyond its bar: the log's, the prediction's, and what to change."""
        told = []
        for name, figure in self.held.items():
            if abs(figure.error) > BARS[name]:
                unit = UNITS.get(name.partition(".")[0], "count")
                seen = f"{say(figure.log, unit)} in the log, {say(figure.predicted, unit)} predicted"
                longer = f"; or import a longer log, {self.calls:,} calls are few" if self.calls < FEWEST_CALLS else ""
                told.append(f"off: {WORDS[name]}: {seen}: change {CHANGE[name]}{longer}")
        return told

    def table(self) -> list[str]:
        lines = [f"{'':24}{'log':>12}{'predicted':>12}{'error':>10}"]
        for name, figure in self.figures.items():
            unit = UNITS.get(name.partition(".")[0], UNITS.get(name, "count"))
            lines.append(
                f"{WORDS.get(name, name):24}{say(figure.log, unit):>12}{say(figure.predicted, unit):>12}{figure.error * 100:+9.1f} %"
            )
        return lines

    def as_dict(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "ok": self.ok,
            "within_interval": self.inside,
            "drift": list(self.drift),
            "figures": {name: figure.as_dict() for name, figure in self.figures.items()},
        }


def compare(loaded: Loaded, calls: Calls, log_cost_usd: np.ndarray, predict: Predict) -> BackTest:
    """The prediction of the scenario at 1x beside the log's calls, whose rows cost ``log_cost_usd``."""
    from sim.analysis.metrics import measure
    from sim.scenario.size import expected_requests

    each = expected_requests(loaded.scenario) or len(calls)
    run = predict(loaded, int(min(20, max(2, math.ceil(PREDICTED_CALLS / max(1.0, each))))))
    figures = {}
    for name, (value, low, high) in figures_of(calls, log_cost_usd).items():
        found = measure(run, name)
        if found.value is not None:
            figures[name] = Figure(value, low, high, found.value, found.low, found.high)
    return BackTest(figures, len(calls))


def figures_of(calls: Calls, cost_usd: np.ndarray) -> dict[str, Known]:
    """The log's own figures, as far as it has them."""
    served = calls.served
    told: dict[str, Known] = {}
    latency = calls.duration_s[served & np.isfinite(calls.duration_s)].astype(np.float64)
    if len(latency) and len(latency) > 0.5 * served.sum():
        told |= {"latency_s.p50": known(latency, 0.5), "latency_s.p99": known(latency, 0.99)}
    first = calls.ttft_s[served & np.isfinite(calls.ttft_s)].astype(np.float64)
    if len(first) and len(first) > 0.9 * served.sum():
        told["ttft_s.p50"] = known(first, 0.5)
    cost = np.nan_to_num(cost_usd.astype(np.float64))
    if cost.any():
        told["cost_usd.per_request"] = tuple(  # type: ignore[assignment]
            None if each is None else each * len(cost) / len(calls) for each in known(cost)
        )
    for name, values in (("tokens.input_per_request", calls.input_tokens), ("tokens.output_per_request", calls.output_tokens)):
        sizes = values[calls.asked].astype(np.float64)
        if np.isfinite(sizes).mean() > 0.9:
            share = 1.0 if "input" in name else float(calls.asked.mean())
            told[name] = float(np.nanmean(sizes)) * share, None, None
    told["availability"] = known(served.astype(np.float64))
    if calls.cache_hit.any():
        told["cache_hit_rate"] = known(calls.cache_hit.astype(np.float64))
    if calls.span_s > 0:
        told["offered_rps"] = len(calls) / calls.span_s, None, None
    return told


def known(values: np.ndarray, quantile: float | None = None) -> Known:
    """A mean or a quantile with its 95 % interval by Student's t over ten parts in order of time, which calls that resemble their
    neighbours do not narrow; without one where there are too few.
    """

    def of(part: np.ndarray) -> float:
        return float(part.mean() if quantile is None else np.quantile(part, quantile))

    value, fewest = of(values), 20 if quantile is None else 5 / (1 - quantile)
    if len(values) < PARTS * fewest:
        return value, None, None
    half = STUDENT * float(np.std([of(part) for part in np.array_split(values, PARTS)], ddof=1)) / math.sqrt(PARTS)
    return value, value - half, value + half
