"""Two predicted scenarios beside each other, as a document and as a table: ``sim.paired`` over a set of scales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from sim.metrics import METRICS
from sim.paired import Difference, paired_differences
from sim.run import Run
from sim.scenario.load import Loaded
from sim.text import console_of, print_first_that_fits
from sim.wording import Document, metric_words, say, times

STYLES = {"better": "green", "worse": "red", "no difference seen": "dim"}


def differences(baseline: Loaded, candidate: Loaded, before: Sequence[Run], after: Sequence[Run]) -> dict[str, Any]:
    """The document that ``tenfold compare --json`` prints. ``before`` and ``after`` are runs at the same scales with the same dice."""
    sides = (("baseline", baseline), ("candidate", candidate))
    return {
        "schema_version": 1,
        **{side: {"scenario": loaded.scenario.name, "scenario_sha256": loaded.sha256} for side, loaded in sides},
        "seed": before[0].seed,
        "scales": [
            {
                "scale": one.scale,
                "replications": one.replications,
                "figures": {name: entry(name, found) for name, found in paired_differences(one, other).items()},
            }
            for one, other in zip(before, after, strict=True)
        ],
    }  # fmt: skip


def entry(name: str, found: Difference) -> dict[str, Any]:
    """``change`` is candidate − baseline with its interval; ``verdict`` better, worse (where the figure has a good direction; else lower or
    higher), or "no difference seen".
    """
    wanted = METRICS[name].better
    verdict = found.verdict
    if wanted != "neither" and verdict in ("lower", "higher"):
        verdict = "better" if verdict == wanted else "worse"
    return {"baseline": found.baseline, "candidate": found.candidate, "change": found.change.as_dict(), "verdict": verdict}


def is_worse(document: Document) -> bool:
    """Some figure got worse, and more than chance explains."""
    return any(figure["verdict"] == "worse" for scale in document["scales"] for figure in scale["figures"].values())


def print_differences(document: Document, file: Any) -> None:
    """A table for every scale: the figures of both sides, the change with its interval, and what that means."""
    console = console_of(file)
    for scale in document["scales"]:
        console.print(Text.assemble((f"at {times(scale['scale'])} ", "bold"), "; ".join(sentences(scale)) or "no difference seen"))
        console.print()
        print_first_that_fits(console, [table(scale)], [table(scale, narrow=True)])
    replications = document["scales"][0]["replications"]
    console.print(Text(f"{replications} replications each with the same dice (seed {document['seed']}); intervals of 95 %", style="dim"))


def sentences(scale: Document) -> Iterator[str]:
    for name, figure in scale["figures"].items():
        if figure["verdict"] != "no difference seen":
            yield f"{metric_words(name)} {figure['verdict']} by {change_of(abs(figure['change']['value']), METRICS[name].unit)}"


def table(scale: Document, narrow: bool = False) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold")
    made.add_column("")
    for words in ("baseline", "candidate", "change"):
        made.add_column(words, justify="right")
    if not narrow:
        made.add_column(Text("95 % interval", style="dim"))
    made.add_column("")
    for name, figure in scale["figures"].items():
        unit, change = METRICS[name].unit, figure["change"]
        cells = [say(figure["baseline"], unit), say(figure["candidate"], unit), signed(change["value"], unit)]
        if not narrow:
            known = change["low"] is not None and change["high"] is not None
            cells.append(f"{signed(change['low'], unit)} … {signed(change['high'], unit)}" if known else "")
        made.add_row(metric_words(name), *cells, Text(figure["verdict"], style=STYLES.get(figure["verdict"], "")))
    return made


def signed(value: float | None, unit: str) -> str:
    return f"+{change_of(value, unit)}" if value is not None and value > 0 else change_of(value, unit)


def change_of(value: float | None, unit: str) -> str:
    """A difference of shares is in percentage points."""
    return f"{value * 100:.3g} points" if unit == "share" and value is not None else say(value, unit)
