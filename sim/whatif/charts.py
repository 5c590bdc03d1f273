"""Drawings of sweeps and plans, as SVG and PNG files that stand alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.analysis.metrics import METRICS
from sim.formatting import Document, dollars, metric_words, say
from sim.report.charts import tick
from sim.report.svg import COLOR, RC
from sim.scenario.budgets import parse_budget
from sim.whatif.evaluation import COST, P99, value_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, LINE, GOOD, BAD, BLUE = "#16191d", "#646b75", "#e3e4e1", "#15803d", "#c2261d", "#2563eb"
IN_THE_OPEN = {COLOR["ink"]: INK, COLOR["muted"]: MUTED, COLOR["line"]: LINE}
STYLE: Any = {key: IN_THE_OPEN.get(str(value), value) for key, value in RC.items()} | {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
}
"""The report's style with colours of its own: a file has no page that says what they are."""
MOST_LABELS = 12
MOST_CELLS = 400


@contextmanager
def drawn(folder: Path, name: str, size_inches: tuple[float, float] = (7.0, 4.4)) -> Iterator[Axes]:
    """Draw in the block; it ends in ``name.svg`` and ``name.png``."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size_inches, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure.add_subplot()
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        figure.savefig(folder / f"{name}.png", dpi=150)


# ---- cost against P99 -------------------------------------------------------------------------------------------------
def front(rows: Sequence[Document]) -> list[Document]:
    """Those of which no other is both cheaper and quicker (Pareto), the cheapest first. Rows without a cost or a P99 are on no front."""
    known = [row for row in rows if not math.isnan(value_of(row, COST) + value_of(row, P99))]
    best = math.inf
    found = []
    for row in sorted(known, key=lambda row: (value_of(row, COST), value_of(row, P99))):
        if value_of(row, P99) < best:
            found.append(row)
            best = value_of(row, P99)
    return found


def draw_pareto(rows: Sequence[Document], best: int | None, folder: Path) -> bool:
    """Cost against P99 with the front as a line; filled dots hold every budget. False: there is nothing to draw."""
    line = front(rows)
    if not line:
        return False
    shown = [row for row in rows if not math.isnan(value_of(row, COST) + value_of(row, P99))]
    with drawn(folder, "pareto") as axes:
        x, y = [value_of(row, COST) for row in line], [value_of(row, P99) for row in line]
        axes.plot(x, y, color=MUTED, linewidth=1, drawstyle="steps-post", zorder=1, label="no other is cheaper and quicker")
        for state, face, edge, words in (
            (True, GOOD, GOOD, "within all budgets"),
            (False, "white", BAD, "breaks a budget"),
            (None, BLUE, BLUE, ""),
        ):
            these = [row for row in shown if row["holds"] is state]
            if these:
                costs, delays = ([value_of(row, name) for row in these] for name in (COST, P99))
                axes.scatter(costs, delays, s=28, facecolors=face, edgecolors=edge, linewidths=1.2, zorder=3, label=words or None)
        for row in line if len(line) <= MOST_LABELS else [row for row in line if row["configuration"] == best]:
            at = (value_of(row, COST), value_of(row, P99))
            axes.annotate(label_of(row), at, textcoords="offset points", xytext=(5, 5), fontsize=7, color=INK)
        if best is not None:
            (chosen,) = [row for row in rows if row["configuration"] == best]
            axes.scatter(
                [value_of(chosen, COST)], [value_of(chosen, P99)], s=110, facecolors="none", edgecolors=INK, zorder=4, label="best"
            )
        for budget in rows[0]["budgets"]:
            mark_limit(axes, budget["budget"])
        axes.set_xlabel("cost a month")
        axes.set_ylabel("latency P99")
        axes.xaxis.set_major_formatter(lambda value, _: dollars(round(value, 9)))
        axes.yaxis.set_major_formatter(lambda value, _: tick(round(value, 9)))
        axes.margins(0.12)
        legend_above(axes)
    return True


def mark_limit(axes: Axes, text: str) -> None:
    """A line where a budget bounds one of the two, if it lies among the dots."""
    budget = parse_budget(text)
    if budget.selector:
        return
    if budget.metric.name == COST and inside(axes.get_xlim(), budget.limit):
        axes.axvline(budget.limit, color=BAD, linewidth=0.8, linestyle="--", zorder=0)
    if budget.metric.name == P99 and inside(axes.get_ylim(), budget.limit):
        axes.axhline(budget.limit, color=BAD, linewidth=0.8, linestyle="--", zorder=0)


def inside(ends: tuple[float, float], value: float) -> bool:
    return ends[0] < value < ends[1]


def label_of(row: Document) -> str:
    """The values alone: what is varied stands in the table."""
    return ", ".join(row["settings"].values()) or "as it stands"


def legend_above(axes: Axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncols=4)


# ---- two paths --------------------------------------------------------------------------------------------------------
def draw_heat_map(document: Document, name: str, folder: Path) -> bool:
    """One figure over the grid of two varied paths; cells that break a budget are hatched. False: there is no such grid."""
    rows = document["configurations"]
    if len(document["varied"]) != 2 or any(len(row["settings"]) != 2 for row in rows):
        return False
    across, down = document["varied"]
    columns, lines = (list(dict.fromkeys(row["settings"][path] for row in rows)) for path in (across, down))
    if len(columns) * len(lines) != len(rows) or len(rows) > MOST_CELLS or min(len(columns), len(lines)) < 2:
        return False
    cells = {(row["settings"][down], row["settings"][across]): row for row in rows}
    values = [[value_of(cells[line, column], name) for column in columns] for line in lines]
    size = max(5.0, 1.6 + 0.95 * len(columns)), max(3.2, 1.4 + 0.5 * len(lines))
    with drawn(folder, f"heat-map-{name.replace('.', '-').replace('_', '-')}", size) as axes:
        from matplotlib.patches import Rectangle

        better_low = METRICS[name].better != "higher"
        image = axes.imshow(values, cmap="viridis_r" if better_low else "viridis", aspect="auto")
        for at, line in enumerate(lines):
            for beside, column in enumerate(columns):
                row = cells[line, column]
                words = say(row["figures"][name]["value"], METRICS[name].unit)
                axes.text(beside, at, words, ha="center", va="center", fontsize=8, color=readable(image, values[at][beside]))
                if row["holds"] is False:
                    axes.add_patch(
                        Rectangle((beside - 0.48, at - 0.46), 0.96, 0.92, fill=False, edgecolor=BAD, linewidth=1.6, linestyle=":")
                    )
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(lines)), lines)
        axes.set_xlabel(across)
        axes.set_ylabel(down)
        axes.grid(False)
        broken = "; dotted: breaks a budget" if any(row["holds"] is False for row in rows) else ""
        axes.set_title(metric_words(name) + broken, loc="left", fontsize=9, color=INK)
    return True


def readable(image: Any, value: float) -> str:
    """Black or white, whichever stands out from the cell's colour."""
    if math.isnan(value):
        return INK
    red, green, blue, _ = image.cmap(image.norm(value))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


# ---- scale ------------------------------------------------------------------------------------------------------------
def draw_scales(points: Sequence[Document], edge: tuple[float, float] | None, folder: Path) -> bool:
    """What each budget's figure is of its limit, over the scale; the largest scale within all of them shaded. False: nothing to draw."""
    from matplotlib.ticker import FixedLocator, NullLocator

    points = sorted(points, key=lambda point: point["scale"])
    if len(points) < 2:
        return False
    with drawn(folder, "scales") as axes:
        for index, budget in enumerate(points[0]["budgets"]):
            limit = parse_budget(budget["budget"]).limit
            known = [(point["scale"], point["budgets"][index]["value"]["value"]) for point in points]
            known = [(scale, used(budget["budget"], value, limit)) for scale, value in known if value is not None]
            axes.plot(*zip(*known, strict=True), marker="o", markersize=3, label=budget["budget"]) if known else None
        axes.axhline(1, color=INK, linewidth=0.8)
        if edge is not None:
            axes.axvspan(*edge, color=MUTED, alpha=0.25, linewidth=0)
        axes.set_xscale("log")
        axes.set_yscale("log")
        first, last = math.log2(points[0]["scale"]), math.log2(points[-1]["scale"])
        doubled = [2.0**power for power in range(math.floor(first), math.ceil(last) + 1)]
        axes.xaxis.set_major_locator(FixedLocator(doubled))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:g} %")
        axes.set_xlabel("scale")
        axes.set_ylabel("of what the budget allows")
        legend_above(axes)
    return True


def used(text: str, value: float, limit: float) -> float:
    """How much of a budget is used up, 1 at its limit; of a share near 1 what is missing of it counts."""
    budget = parse_budget(text)
    least = 1e-3
    if budget.comparison.startswith("<"):
        return max(least, value / limit) if limit > 0 else 1.0
    if budget.metric.unit == "share" and limit < 1:
        return max(least, (1 - value) / (1 - limit))
    return max(least, limit / value) if value > 0 else 1 / least
