"""A chaos run for people: the answer first, then the phases beside each other; of several runs, the resilience matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.analysis.metrics import METRICS
from sim.formatting import NOT_KNOWN, Document, listed, metric_words, percent, say, seconds
from sim.report.terminal import STYLES
from sim.scenario.budgets import PHASES

WORDS = {"pass": "PASS", "fail": "FAIL", "unknown": "NOTE"}
STYLE = {"pass": "bold green", "fail": "bold red", "unknown": "bold yellow"}


def answer(document: Document) -> str:
    """Recovers or not, how soon, how many were struck, and which assertion failed: in one line."""
    parts = [f"{document['scenario']} {recovery_words(document)}"]
    if document["blast_radius"] is not None and document["blast_radius"]["value"] is not None:
        until = "until then" if document["recovered"] else "from the trigger on"
        parts.append(f"{percent(document['blast_radius']['value'])} of requests unanswered {until}")
    if document["failed"]:
        more = f" and {len(document['failed']) - 1} more" if len(document["failed"]) > 1 else ""
        parts.append(f"does not hold: {document['failed'][0]}{more}")
    elif document["assertions"]:
        unsure = [one["assertion"] for one in document["assertions"] if one["ok"] is None]
        parts.append(f"too few samples for {listed(unsure)}" if unsure else f"all {len(document['assertions'])} assertions hold")
    return "; ".join(parts)


def recovery_words(document: Document) -> str:
    if document["recovery"] is None:
        return "has no trigger from outside"
    if document["recovered"] is None:
        return "leaves too few samples to say whether it recovers"
    if not document["recovered"]:
        return f"does not recover within {seconds(document['recovery']['observed_s'])}"
    return "recovers at once" if document["recovery_time_s"] == 0 else f"recovers {seconds(document['recovery_time_s'])} after the trigger"


def print_chaos(document: Document, console: Console) -> None:
    state = document["verdict"]
    console.print(Text.assemble((WORDS[state], STYLE[state]), "  ", answer(document)))
    for suggestion in document["suggestions"]:
        console.print(Text(f"      tested: {suggestion_words(suggestion)}"))
    console.print()
    console.print(phases_table(document))
    console.print()
    if document["assertions"]:
        console.print(observed_table(document))
        console.print()
    console.print(Text(footnote(document), style="dim"))


def print_live(document: Document, console: Console) -> None:
    """What was measured, with the model's availability by phase and time to recover beside it."""
    if document["why_invalid"]:
        console.print(Text.assemble(("INVALID", "bold red"), "  ", f"the measurement says nothing: {'; '.join(document['why_invalid'])}"))
    else:
        state = document["verdict"]
        console.print(Text.assemble((WORDS[state], STYLE[state]), "  ", answer(document["measurement"])))
    agrees = "agrees" if document["agreement"]["ok"] else "does not agree"
    console.print(Text(f"      the model {agrees}: {answer(document['prediction'])}"))
    console.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, words in enumerate(("", "predicted", "measured", "")):
        table.add_column(words, justify="right" if 0 < place < 3 else "left")
    for phase, each in document["agreement"]["availability"].items():
        table.add_row(f"available {phase}", percent(each["predicted"]), percent(each["measured"]), agreed(each["ok"]))
    if document["measurement"]["recovery"] is not None:
        sides = [recovery_cell(document[side]) for side in ("prediction", "measurement")]
        table.add_row("time to recover", *sides, agreed(document["agreement"]["recovery"]["ok"]))
    console.print(table)
    console.print()
    if document["measurement"]["assertions"]:
        console.print(observed_table(document["measurement"]))
        console.print()
    console.print(Text(footnote(document["measurement"]), style="dim"))


def agreed(ok: bool | None) -> Text:
    words = {True: "ok", False: "off", None: "cannot say"}[ok]
    return Text(words, style={True: "green", False: "red", None: "yellow"}[ok])


def suggestion_words(suggestion: Document) -> str:
    sets = " ".join(f"--set '{override}'" for override in suggestion["overrides"])
    return f"{suggestion['words']}: {suggestion['says']}, {percent(suggestion['availability_after'])} available after ({sets})"


def phases_table(document: Document) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for phase in document["phases"]:
        table.add_column(phase, justify="right")
    first = next(iter(document["phases"].values()))
    table.add_row("requests", *(f"{figures['requests']:,}" for figures in document["phases"].values()))
    for name in names_in(first):
        unit = METRICS[name].unit
        table.add_row(metric_words(name), *(say(at(figures, name), unit) for figures in document["phases"].values()))
    return table


def names_in(figures: Document) -> list[str]:
    return [name for name in METRICS if at(figures, name, missing=True) is not MISSING]


MISSING = object()


def at(figures: Document, name: str, missing: bool = False) -> Any:
    value: Any = figures
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            return MISSING if missing else None
        value = value[key]
    return value["value"] if isinstance(value, dict) and "value" in value else MISSING


def observed_table(document: Document) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for words in ("must be observed", "observed", ""):
        table.add_column(words)
    for one in document["assertions"]:
        table.add_row(one["assertion"], one["says"], Text(one["verdict"], style=STYLES.get(one["verdict"], "")))
    return table


def matrix(documents: Sequence[Document]) -> Table:
    """Scenario by availability per phase, time to recover, verdict."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("scenario")
    for words in (*PHASES, "recovery", "unanswered"):
        table.add_column(words, justify="right")
    table.add_column("verdict")
    for document in documents:
        state = document["verdict"]
        phases = document["phases"]
        shown = [percent(at(phases[phase], "availability")) if phase in phases else NOT_KNOWN for phase in PHASES]
        if document["recovery"] is None:
            shown = [NOT_KNOWN, percent(at(next(iter(phases.values())), "availability")), NOT_KNOWN]
        struck = document["blast_radius"]["value"] if document["blast_radius"] else None
        why = f": {document['failed'][0]}" if document["failed"] else " (meant to break its budgets)" if document["expected"] else ""
        cells = [document["scenario"], *shown, recovery_cell(document), percent(struck)]
        table.add_row(*cells, Text(WORDS[state] + why, style=STYLE[state]))
    return table


def recovery_cell(document: Document) -> str:
    if document["recovery"] is None or document["recovered"] is None:
        return NOT_KNOWN
    return seconds(document["recovery_time_s"]) if document["recovered"] else "never"


def footnote(document: Document) -> str:
    said = f"seed {document['seed']} · scenario {document['scenario_sha256'][:12]} · {document['replications']} replications"
    if document["recovery"] is None or document["recovery"]["availability_before"] is None:
        return said
    recovery = document["recovery"]
    return (
        f"{said} · recovered: from then on no {seconds(recovery['window_s'])} below the {percent(recovery['availability_before'])} "
        "before, but for 1 % and chance"
    )
