"""The guide's tables and break-evens for people: on the terminal, and as a page of Markdown with its drawings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.formatting import NOT_KNOWN, Document, dollars, interval, number, say
from sim.guide.break_even import GUIDE, Way
from sim.whatif.charts import BAD, BLUE, GOOD, INK, MUTED, drawn

HEADER = ("line of the guide", "guide", "model", "95 % interval", "")
STYLE = {"within": "green", "below": "red", "above": "red"}


def answer(rows: Sequence[Document]) -> str:
    met = sum(row["verdict"] == "within" for row in rows)
    return f"{met} of {len(rows)} of the guide's numbers hold in the model; for the others it says why, and at which traffic they would."


def range_words(row: Document) -> str:
    """``10 … 100``, ``< 8 s``, or the one number."""
    low, high, unit = row["guide"]["low"], row["guide"]["high"], row["unit"]
    if low == high:
        return say(low, unit)
    if low == 0:
        return f"< {say(high, unit)}"
    if unit == "share" and high == 1:
        return f"≥ {say(low, unit)}"
    return f"{say(low, unit)} … {say(high, unit)}"


def cells(row: Document) -> tuple[str, ...]:
    found, unit = row["model"], row["unit"]
    return row["line"], range_words(row), say(found["value"], unit), interval(found, unit) or NOT_KNOWN, row["verdict"]


def notes(row: Document) -> Iterator[str]:
    """Why a line does not hold, and where it would."""
    if row["because"]:
        yield f"{row['line']}: {row['because']}."
    for each in row["would_hold"]:
        yield f"{row['line']}: {each['says']} (here {each['today']:g} → {place_words(each)})."


def place_words(each: Document) -> str:
    return "nowhere" if each["place"] is None else f"{each['place']:.3g}"


def way_words(way: Document) -> str:
    """``from 36,000 to 177,000 requests a month``."""
    ends = [each["value"] for each in way["pays_from_requests_a_month"]]
    told = ["never" if value is None else rounded(value) for value in ends]
    bounds = way["pays_from_requests_a_month"][0]
    spread = ""
    if None not in bounds.values():
        spread = f" (of the first: {rounded(bounds['low'])} … {rounded(bounds['high'])})"
    return f"{told[0]}{spread}" if told[0] == told[1] else f"{told[0]} … {told[1]}{spread}"


def rounded(value: float) -> str:
    """Two digits: no price here is known better."""
    return f"{float(f'{value:.2g}'):,.0f}"


def print_guide(document: Document, console: Console) -> None:
    console.print(Text(document["answer"], style="bold"), soft_wrap=True)
    for title, rows in by_table(document):
        table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
        for name in HEADER:
            table.add_column(name)
        for row in rows:
            table.add_row(*cells(row), style=STYLE.get(row["verdict"], "yellow"))
        console.print()
        console.print(table)
        for row in rows:
            for note in notes(row):
                console.print(Text(f"  {note}"), soft_wrap=True)
    console.print()
    console.print(Text(f"Break-evens, requests a month (the guide: {GUIDE[0]:,} … {GUIDE[1]:,} for fine-tuning)", style="bold"))
    for way in document["break_evens"]:
        console.print(Text(f"  {way['way']}: {way_words(way)}. {way['source']}."), soft_wrap=True)


def by_table(document: Document) -> Iterator[tuple[str, list[Document]]]:
    for title, rows in groupby(document["rows"], key=lambda row: row["table"]):
        yield title, list(rows)


def markdown(document: Document, command: str) -> str:
    """A page that names the command that makes it again."""
    lines = ["# The guide beside the model", "", f"`{command}`", "", document["answer"], ""]
    lines += [
        f"{document['replications']} replications; scenarios: `scenarios/guide/`, the sources of their numbers in `traffic.yaml`.",
        "",
    ]
    for title, rows in by_table(document):
        lines += [f"## {title}", "", "| " + " | ".join((*HEADER[:4], "verdict", "scenario")) + " |", "| --- " * 6 + "|"]
        lines += ["| " + " | ".join((*cells(row), f"`{row['scenario']}`")) + " |" for row in rows]
        told = [f"- {note}" for row in rows for note in notes(row)]
        lines += ["", *told, ""] if told else [""]
    lines += ["![The guide's ranges and the model's figures](guide-ranges.svg)", "", "## Break-evens", ""]
    lines += [f"The guide: fine-tuning pays off at {GUIDE[0]:,} to {GUIDE[1]:,} requests a month in a narrow domain.", ""]
    lines += ["| way | pays from, requests a month | by |", "| --- | --- | --- |"]
    lines += [f"| {way['way']} | {way_words(way)} | {way['source']} |" for way in document["break_evens"]]
    return "\n".join([*lines, "", "![Cost by volume](guide-break-even.svg)", ""])


# ---- drawings ---------------------------------------------------------------------------------------------------------
def draw_ranges(rows: Sequence[Document], folder: Path) -> None:
    """Every line on its own scale: the guide's range from 0 to 1, the model's figure beside it; a single number of the guide is at 1."""
    with drawn(folder, "guide-ranges", (8.5, 0.27 * len(rows) + 1.2)) as axes:
        for place, row in enumerate(reversed(rows)):
            low, high = row["guide"]["low"], row["guide"]["high"]
            start, size = (0.0, high) if low == high else (low, high - low)
            scaled = [np.nan if value is None else (value - start) / size for value in row["model"].values()]
            axes.plot([1, 1] if low == high else [0, 1], [place, place], color=MUTED, linewidth=6, alpha=0.35, solid_capstyle="round")
            if low == high:
                axes.plot([1], [place], "|", color=MUTED, markersize=11)
            color = GOOD if row["verdict"] == "within" else BAD
            axes.plot(scaled[1:], [place, place], color=color, linewidth=1.4)
            axes.plot(scaled[:1], [place], "o", color=color, markersize=4)
        axes.set_yticks(range(len(rows)), [row["line"] for row in reversed(rows)], fontsize=7)
        axes.set_xticks([0, 1], ["low end of the guide's range", "high end, or its one number"])
        axes.set_xlim(-1.0, 2.2)


def draw_break_evens(found: Sequence[Way], folder: Path) -> None:
    """USD a month by requests a month, of each way at its cheap end and of the API; where they cross it begins to pay."""
    volume = np.geomspace(1e4, 1e8, 400)
    with drawn(folder, "guide-break-even", (8.0, 5.0)) as axes:
        colors = (BLUE, GOOD, BAD, "#9333ea", "#b45309", "#0891b2", INK)
        for way, color in zip(found, colors, strict=True):
            axes.plot(volume, way.cheap.cost(volume), color=color, linewidth=1.3, label=way.name)
            axes.plot(volume, volume * (way.api.value or np.nan), color=color, linewidth=0.8, linestyle=":")
            at = way.cheap.pays_from(way.api.value or 0.0)
            if np.isfinite(at):
                axes.plot([at], [at * (way.api.value or 0.0)], "o", color=color, markersize=5)
        axes.axvspan(*GUIDE, color=MUTED, alpha=0.2, linewidth=0)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("requests a month (shaded: the guide's 500K-1M); dotted: the API that each is weighed against")
        axes.set_ylabel("USD a month")
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.yaxis.set_major_formatter(lambda value, _: dollars(value))
        axes.legend(loc="upper left", fontsize=7)


def document_of(rows: Sequence[dict[str, Any]], found: Sequence[Way], replications: int) -> dict[str, Any]:
    """``tenfold guide --json``."""
    return {
        "schema_version": 1,
        "answer": answer(rows),
        "replications": replications,
        "rows": list(rows),
        "break_evens": [way.as_dict() for way in found],
    }
