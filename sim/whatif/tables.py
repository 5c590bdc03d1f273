"""A sweep and its differences as tables for the terminal; the answer stands above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.analysis.estimators import CONFIDENCE
from sim.analysis.metrics import METRICS
from sim.analysis.paired_comparison import confidence_each
from sim.formatting import Document, metric_words, say, times
from sim.report.comparison_table import STYLES, bounds_of, signed
from sim.report.terminal import console_of, print_first_that_fits
from sim.report.verdicts import budget_value
from sim.whatif.evaluation import broken, unsure

MOST_ROWS = 60
"""Configurations that a table shows; the Parquet files hold all."""


def print_sweep(document: Document, file: Any) -> None:
    console = console_of(file)
    console.print(Text(document["answer"], style="bold"), soft_wrap=True)
    console.print()
    rows = shown_rows(document)
    print_first_that_fits(console, [figures_table(document, rows)], one_figure_each(figures_table, document, rows))
    if len(document["configurations"]) > 1:
        compared = next(row for row in document["configurations"] if row["configuration"] == document["compared_with"])
        console.print(Text(f"change from configuration {compared['configuration']}, paired", style="bold"))
        others = [row for row in rows if row["changes"]]
        print_first_that_fits(console, [changes_table(document, others)], one_figure_each(changes_table, document, others))
    print_footnote(document, console)


def shown_rows(document: Document) -> list[Document]:
    """All, or the first ones and the best."""
    rows = document["configurations"]
    if len(rows) <= MOST_ROWS:
        return list(rows)
    return [row for place, row in enumerate(rows) if place < MOST_ROWS or row["configuration"] == document["best"]]


def one_figure_each(table_of: Any, document: Document, rows: Sequence[Document]) -> list[Table]:
    """Where all figures have no room beside each other: one after the other."""
    return [table_of(dict(document) | {"figures": [name]}, rows) for name in document["figures"]]


def short_names(paths: Sequence[str]) -> list[str]:
    """The last words of each path, as many as tell it from the others."""
    names = []
    for path in paths:
        steps = path.split(".")
        length = next(
            (length for length in range(1, len(steps)) if sum(other.endswith("." + ".".join(steps[-length:])) for other in paths) == 1),
            len(steps),
        )
        names.append(".".join(steps[-length:]))
    return names


def headed(document: Document) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", justify="right")
    for name in short_names(document["varied"]):
        table.add_column(name, justify="right")
    return table


def settings_cells(document: Document, row: Document) -> list[Text]:
    best = row["configuration"] == document["best"]
    style = "bold" if best else ""
    values = [row["settings"].get(path, "as it stands") for path in document["varied"]]
    return [Text(f"{'→ ' if best else ''}{row['configuration']}", style=style), *(Text(value, style=style) for value in values)]


def figures_table(document: Document, rows: Sequence[Document]) -> Table:
    table = headed(document)
    for name in document["figures"]:
        table.add_column(metric_words(name), justify="right")
    budgets = any(row["budgets"] for row in rows)
    if budgets:
        table.add_column("budgets")
    for row in rows:
        cells = settings_cells(document, row)
        cells += [Text(say(row["figures"][name]["value"], METRICS[name].unit)) for name in document["figures"]]
        table.add_row(*cells, *([verdict_cell(row)] if budgets else []))
    return table


def verdict_cell(row: Document) -> Text:
    failing = broken(row)
    if not failing:
        unsure = any(each["straddles"] for each in row["budgets"])
        return Text("hold, not surely" if unsure else "hold", style="yellow" if unsure else "green")
    more = f" and {len(failing) - 1} more" if len(failing) > 1 else ""
    return Text(f"breaks {failing[0]['budget']}{more}", style="red")


def changes_table(document: Document, rows: Sequence[Document]) -> Table:
    """Each change with its interval below it; coloured where it is better or worse, of all changes together."""
    table = headed(document)
    for name in document["figures"]:
        table.add_column(metric_words(name), justify="right")
    for row in rows:
        cells = settings_cells(document, row)
        for name in document["figures"]:
            figure, unit = row["changes"][name], METRICS[name].unit
            cell = Text(signed(figure["change"]["value"], unit), style=STYLES.get(figure["verdict"], ""))
            if bounds := bounds_of(figure["change"], unit):
                cell.append(f"\n{bounds}", style="dim")
            cells.append(cell)
        table.add_row(*cells)
    return table


def print_footnote(document: Document, console: Console) -> None:
    requests = document["configurations"][0]["requests"]
    hidden = len(document["configurations"]) - len(shown_rows(document))
    says = (
        f"{document['scenario']} at {times(document['scale'])} · {document['replications']} replications, {requests:,} requests a "
        f"configuration, all with the same random numbers (seed {document['seed']}); intervals of {CONFIDENCE * 100:.0f} %, each for "
        f"itself; colours hold for all {document['judged']} changes together (Bonferroni: "
        f"{confidence_each(document['judged']) * 100:.3g} % each); latencies of answered requests, costs as if this traffic went on"
    )
    console.print(Text(says, style="dim"), soft_wrap=True)
    if hidden > 0:
        console.print(Text(f"{hidden:,} more configurations are in figures.parquet", style="dim"))


# ---- plans ------------------------------------------------------------------------------------------------------------
def print_plan(document: Document, file: Any) -> None:
    """The answer, then every scale that was predicted, and what doubling each limit did."""
    console = console_of(file)
    console.print(Text(document["answer"], style="bold"), soft_wrap=True)
    console.print()
    print_first_that_fits(console, [scales_table(document)], [scales_table(document, narrow=True)])
    for part in filter(None, (document, document["leaving_money_aside"])):
        if part["raised"]:
            console.print(Text(f"each limit doubled in turn, at {times(part['first_broken_scale'])}", style="bold"))
            console.print(raised_table(part))
            console.print()
    console.print(Text("the same figures again, just below and just above:", style="dim"))
    for command in document["commands"]:
        console.print(Text(f"  {command}", style="dim"), soft_wrap=True)
    console.print(
        Text(f"{document['scenario']} · seed {document['seed']} at every scale · {document['replications']} replications", style="dim")
    )


def scales_table(document: Document, narrow: bool = False) -> Table:
    """A row for each scale with every budget's figure; ``narrow``: those of the edge alone."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("scale", justify="right")
    points = document["scales"]
    for budget in points[0]["budgets"]:
        table.add_column(budget["budget"], justify="right")
    table.add_column("requests", justify="right")
    parts = [part for part in (document, document["leaving_money_aside"]) if part]
    edge = [scale for part in parts for scale in (part["largest_scale"]["value"], part["first_broken_scale"])]
    for point in points:
        if narrow and point["scale"] not in edge:
            continue
        bold = "bold " if point["scale"] in edge else ""
        cells = [Text(times(point["scale"]), style=bold.strip())]
        for budget in point["budgets"]:
            style = {"ok": "green", "broken": "red"}.get(budget["verdict"], "yellow")
            cells.append(Text(budget_value(budget) + ("?" if budget["straddles"] else ""), style=f"{bold}{style}"))
        table.add_row(*cells, f"{point['requests']:,}")
    table.caption = "?: the 95 % interval reaches over the limit" if any(unsure(point) for point in points) else None
    table.caption_justify = "left"
    return table


def raised_table(document: Document) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("limit", "raised", "then"):
        table.add_column(heading)
    for each in document["raised"]:
        failing = [budget for budget in each["budgets"] if budget["verdict"] != "ok"]
        then = "; ".join(f"{budget['budget']} breaks ({budget_value(budget)})" for budget in failing) or "every budget holds"
        table.add_row(each["limit"], f"{each['path']} {each['from']} → {each['to']}", Text(then, style="red" if failing else "green"))
    return table


def print_cheapest(document: Document, file: Any) -> None:
    """The answer, the trade-off between cost and P99 within all budgets, and how to predict the winner again."""
    console = console_of(file)
    console.print(Text(document["answer"], style="bold"), soft_wrap=True)
    console.print()
    numbers = dict.fromkeys([*document["tradeoff"], *([] if document["best"] is None else [document["best"]]), 0])
    rows = [row for number in numbers for row in document["configurations"] if row["configuration"] == number]
    if document["tradeoff"]:
        console.print(Text("cost against P99 within all budgets: no other is both cheaper and quicker", style="bold"))
    print_first_that_fits(console, [figures_table(document, rows)], one_figure_each(figures_table, document, rows))
    if document["command"]:
        console.print(Text(f"the same figures again: {document['command']}"), soft_wrap=True)
    dice = f"seed {document['seed']} and {document['replications']} replications everywhere"
    says = f"{document['scenario']} at {times(document['scale'])} · {dice}"
    console.print(Text(says, style="dim"), soft_wrap=True)
