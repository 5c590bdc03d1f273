"""A prediction beside the figures that another tool measured: as a document and as a table."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from sim.analysis.metrics import METRICS, measure
from sim.analysis.window import Window
from sim.data.run import Run
from sim.formatting import Document, interval, metric_words, percent, say
from sim.report.terminal import console_of
from sim.results.foreign_reports import ForeignReport


def beside(run: Run, scenario_sha256: str, report: ForeignReport) -> dict[str, Any]:
    """``comparison`` as ``verify`` has it: by metric what was predicted, what was measured, and the relative error of the prediction."""
    window = Window(run)
    comparison = {}
    for name, measured in report.figures.items():
        predicted = measure(window, name)
        error = None if predicted.value is None or measured == 0 else (predicted.value - measured) / measured
        comparison[name] = {"predicted": predicted.as_dict(), "measured": measured, "error": error}
    return {
        "schema_version": 1,
        "scenario": run.scenario.name,
        "scenario_sha256": scenario_sha256,
        "scale": run.scale,
        "tool": report.tool,
        "requests": report.requests,
        "of_all": report.of_all,
        "comparison": comparison,
    }


def print_beside(document: Document, file: Any) -> None:
    console = console_of(file)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(("", "predicted", "95 % interval", document["tool"], "error")):
        table.add_column(heading, justify="right" if place else "left")
    for name, each in document["comparison"].items():
        unit, predicted = METRICS[name].unit, each["predicted"]
        error = "–" if each["error"] is None else f"{each['error'] * 100:+.1f} %"
        table.add_row(metric_words(name), say(predicted["value"], unit), interval(predicted, unit), say(each["measured"], unit), error)
    console.print(table)
    counted = f"{document['requests']:,} requests measured by {document['tool']}"
    available = document["comparison"].get("availability", {}).get("measured", 1.0)
    mixed = f"; its latencies count the {percent(1 - available)} that failed, too" if document["of_all"] and available < 1 else ""
    console.print(f"{counted}{mixed}", style="dim", highlight=False)
