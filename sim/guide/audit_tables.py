"""An audit for people: the answer, then each mistake with its evidence, what has no effect, and the checklists."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from sim.analysis.metrics import METRICS
from sim.formatting import Document, metric_words, percent, say, times
from sim.guide.trials import gain_words

MARKS = {True: ("[x]", "green"), False: ("[ ]", "red"), None: ("[?]", "yellow")}


def print_audit(document: Document, console: Console) -> None:
    def line(text: str, style: str = "", indent: int = 0) -> None:
        console.print(Text(" " * indent + text, style=style), soft_wrap=True)

    line(document["answer"], "bold")
    for row in document["mistakes"]:
        if row["found"]:
            line("")
            line(row["guide"], "bold red")
            print_found(row["found"], line)
    if document["without_effect"]:
        line("")
        line("Without effect", "bold")
        for each in document["without_effect"]:
            line(f"{each['path']}: {each['says']}; {each['todo']}", indent=2)
    for checklist in document["checklists"]:
        if checklist["due"]:
            line("")
            line(checklist["title"], "bold")
            for each in checklist["lines"]:
                mark, style = MARKS[each["ticked"]]
                todo = f". To do: {each['todo']}" if each["ticked"] is False and each["todo"] else ""
                line(f"{mark} {each['line']}: {each['says']}{todo}", style, indent=2)
    if later := [each["title"] for each in document["checklists"] if not each["due"]]:
        line(f"not due yet: {', '.join(later)}", indent=2)
    for change in document.get("drift", ()):
        line(drift_words(change), indent=2)


def print_found(found: Document, line: Any) -> None:
    line(f"{found['where']}: {found['says']}.", indent=2)
    line(f"Mended ({'; '.join(map(shortened, found['mended_by']))}), same random numbers:", indent=2)
    for gain in found["gains"]:
        line(gain_words(gain), indent=4)
    line(f"To do: {found['todo']}.", indent=2)


def shortened(override: str, most: int = 80) -> str:
    return override if len(override) <= most else override[: most - 1] + "…"


def drift_words(row: Document) -> str:
    if "mistake" in row:
        return f"since the earlier audit {'made' if row['since'] == 'new' else 'mended'}: {row['mistake']}"
    was, now, unit = row["was"]["value"], row["is"]["value"], METRICS[row["figure"]].unit
    sure = "" if row["sure"] else ", within the intervals"
    return (
        f"since the earlier audit at {times(row['scale'])}: {metric_words(row['figure'])} {say(was, unit)} → {say(now, unit)} "
        f"({percent(now / was - 1)}{sure})"
    )
