"""The report's drawings, each from the rows of runs. Every function gives SVG markup, or an empty string when there is nothing to draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.capacity import worker_samples
from sim.analysis.estimators import student_t
from sim.analysis.validation import pair
from sim.analysis.window import Window
from sim.data.outcomes import KINDS, is_available
from sim.data.run import Run
from sim.data.table import Columns
from sim.formatting import Document, dollars, seconds, times
from sim.report.colors import outcome_roles
from sim.report.panels import Shown
from sim.report.svg import COLOR, chart
from sim.scenario.budgets import parse_budgets
from sim.scenario.metric_names import QUANTILES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 240
LEAST_BEYOND = 5
"""A percentile curve ends where fewer samples than this lie beyond it."""
LEAST_PAIRS = 20
OVER_TIME = ((0.5, "P50", "series-0"), (0.95, "P95", "series-4"), (0.99, "P99", "series-3"))
EACH_PART = 40
"""Samples that a part of the time needs for its percentiles to be more than noise."""
SMALL_INCHES = (3.5, 2.5)
"""Of drawings that stand three in a row."""


# ---- axes -------------------------------------------------------------------------------------------------------------
def seconds_axis(axes: Axes, values: Sequence[float] = ()) -> None:
    """Ticks as durations; logarithmic when the values span more than two decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    positive = [value for value in values if value > 0]
    if positive and max(positive) > 100 * min(positive):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=7))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def tick(value: float) -> str:
    """A duration as short as it can be said: 0, 2.5 ms, 10 s."""
    if value == 0:
        return "0"
    return f"{value * 1000:g} ms" if abs(value) < 0.9999 else f"{value:g} s" if abs(value) < 600 else seconds(value)


def scale_axis(axes: Axes, scales: Sequence[float]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(scales)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([times(scale) for scale in scales])
    axes.set_xlim(min(scales) / 1.3, max(scales) * 1.3)


def clock_axis(axes: Axes, run: Run) -> None:
    """Minutes of the run, with its warm-up and faults shaded."""
    from matplotlib.ticker import FuncFormatter

    duration_s = max(run.scenario.workload.duration, 1e-9)
    unit_s, word = next((unit_s, word) for unit_s, word in ((3600, "h"), (60, "min"), (1, "s")) if duration_s >= 3 * unit_s or unit_s == 1)
    axes.set_xlim(0, duration_s)
    axes.xaxis.set_major_locator(spaced(duration_s, unit_s))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit_s:g}"))
    axes.set_xlabel(word, loc="right", labelpad=1)
    if run.warmup_s > 0:
        shade(axes, 0, run.warmup_s, "shade")
    for fault in run.scenario.faults:
        shade(axes, fault.at, min(fault.at + fault.for_, duration_s), "fault")


def shade(axes: Axes, start_s: float, end_s: float, role: str) -> None:
    """Behind the lines, with a bar on top that areas do not hide."""
    axes.axvspan(start_s, end_s, color=COLOR[role], alpha=0.14, linewidth=0, zorder=0)
    axes.axvspan(start_s, end_s, ymin=0.975, color=COLOR[role], alpha=0.9, linewidth=0, zorder=3)


def spaced(duration_s: float, unit_s: float) -> Any:
    from matplotlib.ticker import MultipleLocator

    steps = (1, 2, 5, 10, 15, 20, 30, 50, 100, 200, 500, 1000)
    return MultipleLocator(unit_s * next((step for step in steps if duration_s / (step * unit_s) <= 7), 5000))


# ---- latency ----------------------------------------------------------------------------------------------------------
def percentile_curve(shown: Sequence[Shown], column: str = "latency_s") -> str:
    """HDR style: latency over 1 / (1 − quantile) on a log axis, so that each decade of the tail gets the same room. Bands: 95 %."""
    from matplotlib.ticker import FixedLocator, NullLocator

    curves = [(one, *curve(Window(one.run), column)) for one in shown]
    curves = [each for each in curves if len(each[1])]
    if not curves:
        return ""
    furthest = max(float(rarity[-1]) for _, rarity, *_ in curves)
    with chart(f"percentiles-{column.replace('_', '-')}", f"{column} by percentile") as drawing:
        axes = drawing.axes
        for layer, (one, rarity, value, low, high) in enumerate(curves):
            axes.fill_between(rarity, low, high, color=one.color, alpha=0.16, linewidth=0)
            style, above = ("--", 3) if one.dashed else ("-", 2.9 - layer / 100)  # what others are compared with lies above them
            axes.plot(rarity, value, color=one.color, label=one.name, linestyle=style, zorder=above)
        axes.set_xscale("log")
        decades = [(1, "0 %"), (2, "P50"), (10, "P90"), (100, "P99"), (1000, "P99.9"), (10_000, "P99.99"), (100_000, "P99.999")]
        ticks = [(place, word) for place, word in decades if place <= furthest * 1.05]
        axes.xaxis.set_major_locator(FixedLocator([place for place, _ in ticks]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([word for _, word in ticks])
        axes.set_xlim(1, furthest)
        axes.grid(axis="x")
        seconds_axis(axes, [float(np.quantile(value, part)) for _, _, value, _, _ in curves for part in (0.25, 1)])
        mark_budgets(axes, shown[0].run, column)
        drawing.legend()
    return drawing.svg


def mark_budgets(axes: Axes, run: Run, column: str) -> None:
    """A mark where a budget of the scenario bounds a percentile of this column, when it lies within the drawing."""
    bottom, top = axes.get_ylim()
    furthest = axes.get_xlim()[1]
    for budget in parse_budgets(run.scenario):
        family, _, name = budget.metric.name.partition(".")
        everyone = not budget.selector
        if everyone and family == column and name in QUANTILES and bottom < budget.limit < top and 1 / (1 - QUANTILES[name]) < furthest:
            rarity = 1 / (1 - QUANTILES[name])
            axes.plot([rarity / 1.25, rarity * 1.25], [budget.limit] * 2, color=COLOR["fault"], linewidth=2)
            axes.annotate(budget.text, (rarity / 1.3, budget.limit), ha="right", va="center", fontsize=7, color=COLOR["fault"])


def curve(window: Window, column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rarity 1 / (1 − q), the quantile there, its interval over three replications or more; as far as LEAST_BEYOND samples lie beyond."""
    nothing = np.empty(0), np.empty(0), np.empty(0), np.empty(0)
    mask = window.available & ~np.isnan(window[column])
    samples = [sample for sample in window.split(window[column], mask) if len(sample)]
    if not samples:
        return nothing
    everything = np.concatenate(samples)
    furthest = len(everything) / LEAST_BEYOND
    if furthest <= 1:
        return nothing
    rarity = np.geomspace(1, furthest, POINTS)
    quantiles = 1 - 1 / rarity
    value = np.quantile(everything, quantiles)
    if len(samples) < 3:
        return rarity, value, value, value
    each = np.array([np.quantile(sample, quantiles) for sample in samples])
    half = student_t(len(samples) - 1) * each.std(axis=0, ddof=1) / len(samples) ** 0.5
    known = rarity <= min(map(len, samples)) / LEAST_BEYOND
    # Where the curve jumps, Student's t reaches beyond anything that any replication saw.
    low, high = np.maximum(value - half, each.min(axis=0)), np.minimum(value + half, each.max(axis=0))
    return rarity, value, np.where(known, low, value), np.where(known, high, value)


def paired_differences(prediction: Run, measurement: Run) -> str:
    """Histogram of measured − predicted latency over pairs answered on both sides, its middle 99 %."""
    predicted, measured = Window(prediction.first(1)), Window(measurement.first(1))
    left, right = pair(predicted, measured)
    both = predicted.available[left] & measured.available[right]
    difference_s = (measured["latency_s"][right] - predicted["latency_s"][left])[both]
    difference_s = difference_s[~np.isnan(difference_s)]
    if len(difference_s) < LEAST_PAIRS:
        return ""
    low, high = np.quantile(difference_s, (0.005, 0.995))
    reach = max(abs(low), abs(high), 1e-6)
    with chart("pairs", "measured minus predicted latency") as drawing:
        axes = drawing.axes
        axes.hist(difference_s, bins=np.linspace(-reach, reach, 62).tolist(), color=COLOR["series-1"], alpha=0.8)
        axes.axvline(0, color=COLOR["ink"], linewidth=0.8)
        axes.set_ylabel("requests")
        axes.xaxis.set_major_formatter(lambda value, _: tick(round(float(value), 9)))
    return drawing.svg


# ---- over time --------------------------------------------------------------------------------------------------------
class Clock:
    """Equal parts of a run's time, at most 120 (or ``most``) and at least a second long."""

    def __init__(self, run: Run, most: float = 120) -> None:
        duration_s = max(run.scenario.workload.duration, 1e-9)
        self.count = int(max(1, min(120, most, duration_s)))
        self.width_s = duration_s / self.count
        self.middle_s = (np.arange(self.count) + 0.5) * self.width_s

    def bins(self, times_s: np.ndarray) -> np.ndarray:
        return np.clip((times_s / self.width_s).astype(int), 0, self.count - 1)

    def rate(self, times_s: np.ndarray, replications: int) -> np.ndarray:
        """Events per second in each part, averaged over replications."""
        return np.bincount(self.bins(times_s), minlength=self.count) / (self.width_s * replications)

    def quantile(self, times_s: np.ndarray, values: np.ndarray, quantile: float) -> np.ndarray:
        """Of the values in each part; nan where too few lie there to say."""
        order = np.lexsort((values, bins := self.bins(times_s)))
        counts = np.bincount(bins, minlength=self.count)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        place = starts + np.minimum((counts * quantile).astype(int), np.maximum(counts - 1, 0))
        enough = counts * min(quantile, 1 - quantile) >= 1
        return np.where(enough, values[order][np.minimum(place, len(values) - 1)], np.nan) if len(values) else np.full(self.count, np.nan)


def rates_over_time(run: Run, name: str) -> str:
    """Requests per second by when they arrived: all of them, and how many ended in each way."""
    rows, clock = run.requests, Clock(run)
    if not len(rows):
        return ""
    with chart(f"{name}-rates", "requests per second over time") as drawing:
        axes = drawing.axes
        arrived = clock.rate(rows["arrival_s"], run.replications)
        axes.plot(clock.middle_s, arrived, color=COLOR["ink"], label="arrived", linewidth=1, drawstyle="steps-mid")
        bottom = np.zeros(clock.count)
        color_of = outcome_roles()
        for kind in KINDS:
            ended = rows["outcome"] == kind.code
            if ended.any():
                rate = clock.rate(rows["arrival_s"][ended], run.replications)
                color, words = COLOR[color_of[kind.name]], kind.name.replace("_", " ")
                axes.fill_between(clock.middle_s, bottom, bottom + rate, color=color, alpha=0.75, linewidth=0, label=words, step="mid")
                bottom = bottom + rate
        axes.set_ylim(bottom=0)
        clock_axis(axes, run)
        drawing.legend(5)
    return drawing.svg


def latency_over_time(shown: Shown, name: str, other: Shown | None = None) -> str:
    """Latency quantiles of answered requests by when they arrived; with ``other`` (a measurement), beside it, dotted."""
    lines: list[np.ndarray] = []
    with chart(f"{name}-latency", "latency over time") as drawing:
        axes = drawing.axes
        for one in filter(None, (shown, other)):
            rows = one.run.requests
            answered = Columns(rows, is_available(rows["outcome"]) & ~np.isnan(rows["latency_s"]))
            clock = Clock(one.run, len(answered) / EACH_PART)
            for quantile, words, role in OVER_TIME[: 2 if other is not None else 3]:
                line = clock.quantile(answered["arrival_s"], answered["latency_s"], quantile)
                if not np.isnan(line).all():
                    label = f"{words} {one.name}" if other is not None else words
                    axes.plot(clock.middle_s, line, color=COLOR[role], label=label, linestyle=":" if one is other else "-")
                    lines.append(line[~np.isnan(line)])
        if not lines:
            return ""
        clock_axis(axes, shown.run)
        seconds_axis(axes, [max(float(np.median(line)), 1e-3) for line in lines] + [float(line.max()) for line in lines])
        drawing.legend(2 if other is not None else 3)
    return drawing.svg


def sampled_over_time(run: Run, name: str, columns: Sequence[tuple[str, str, str]], says: str) -> str:
    """Timeline columns (column, words, colour role): mean over replications, and the highest of any as a thin line."""
    return levels_over_time(run, name, run.timeline, columns, says)


def workers_over_time(run: Run, name: str) -> str:
    """The gateway's workers, those that are starting included, where they are scaled."""
    if run.scenario.gateway.autoscale is None:
        return ""
    return levels_over_time(run, name, worker_samples(run), (("workers", "workers", "series-2"),), "workers of the gateway")


def levels_over_time(run: Run, name: str, rows: np.ndarray, columns: Sequence[tuple[str, str, str]], says: str) -> str:
    if not rows.dtype.names or not len(rows) or not any(np.any(rows[column]) for column, *_ in columns):
        return ""
    from matplotlib.ticker import MaxNLocator

    clock = Clock(run)
    bins = clock.bins(rows["at_s"])
    counts = np.bincount(bins, minlength=clock.count)
    seen = counts > 0
    with chart(f"{name}-{columns[0][0].replace('_', '-')}", says) as drawing:
        axes = drawing.axes
        for column, words, role in columns:
            mean = np.bincount(bins, weights=rows[column], minlength=clock.count)[seen] / counts[seen]
            most = np.zeros(clock.count)
            np.maximum.at(most, bins, rows[column])
            axes.fill_between(clock.middle_s[seen], mean, most[seen], color=COLOR[role], alpha=0.18, linewidth=0, step="mid")
            axes.plot(clock.middle_s[seen], mean, color=COLOR[role], label=words, drawstyle="steps-mid")
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        clock_axis(axes, run)
        drawing.legend(3)
    return drawing.svg


# ---- by scale ---------------------------------------------------------------------------------------------------------
def scale_curve(
    name: str, says: str, summaries: Sequence[Document], lines: Sequence[tuple[str, str, Callable[[Document], Document]]], unit: str
) -> str:
    """Metrics (words, colour role, their estimate in a summary entry) over the scale of predictions, with their intervals."""
    scales = [float(entry["scale"]) for entry in summaries if entry["kind"] == "prediction"]
    if len(set(scales)) < 2:
        return ""
    with chart(f"scale-{name}", says, SMALL_INCHES) as drawing:
        axes = drawing.axes
        values: list[float] = []
        for words, role, pick in lines:
            for kind, style in (("prediction", "o-"), ("measurement", "D")):
                found = [(float(entry["scale"]), pick(entry)) for entry in summaries if entry["kind"] == kind]
                found = [(scale, estimate) for scale, estimate in found if estimate["value"] is not None]
                if found:
                    at, value = np.array([scale for scale, _ in found]), np.array([estimate["value"] for _, estimate in found])
                    low = np.array([estimate["value"] if estimate["low"] is None else estimate["low"] for _, estimate in found])
                    high = np.array([estimate["value"] if estimate["high"] is None else estimate["high"] for _, estimate in found])
                    label = words if kind == "prediction" else None
                    spread = np.maximum([value - low, high - value], 0)
                    axes.errorbar(at, value, yerr=spread, fmt=style, color=COLOR[role], label=label, markersize=4, capsize=2, elinewidth=1)
                    values += value.tolist()
        scale_axis(axes, sorted(set(scales)))
        if unit == "s":
            seconds_axis(axes, values)
        elif unit == "USD":
            axes.set_yscale("log") if min(values, default=0) > 0 and max(values) > 20 * min(values) else axes.set_ylim(bottom=0)
            axes.yaxis.set_major_formatter(lambda value, _: dollars(float(value)))
        else:
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:g} %")
        if len(lines) > 1:
            drawing.legend(3)
    return drawing.svg
