"""Two predicted scenarios beside each other, as a document and as a table: ``sim.analysis.paired_comparison`` over a set of scales."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from sim.analysis.estimators import CONFIDENCE
from sim.analysis.metrics import METRICS
from sim.analysis.paired_comparison import FIGURES, Difference, confidence_each, paired_differences
from sim.data.run import Run
from sim.formatting import Document, listed, metric_words, percent, say, times
from sim.report.terminal import console_of, print_first_that_fits
from sim.scenario.load import Loaded

STYLES = {"better": "green", "worse": "red", "no difference seen": "dim", "insufficient": "yellow"}
OF_ANSWERS = ("latency_s", "ttft_s", "cost_usd")
"""Families of figures that look better the more requests are refused."""
ALIKE = 0.01
"""Difference of availabilities beyond which such figures are of different requests, and none of them better or worse."""


def differences(baseline: Loaded, candidate: Loaded, before: Sequence[Run], after: Sequence[Run]) -> dict[str, Any]:
    """The document that ``tenfold compare --json`` prints. ``before`` and ``after`` are runs at the same scales with the same dice.

    ``judged`` figures, those of all scales, are looked at together: their joint intervals hold all at once with 95 %.
    """
    sides = (("baseline", baseline), ("candidate", candidate))
    judged = len(FIGURES) * len(before)
    return {
        "schema_version": 1,
        **{side: {"scenario": loaded.scenario.name, "scenario_sha256": loaded.sha256} for side, loaded in sides},
        "seed": before[0].seed,
        "judged": judged,
        "scales": [
            {
                "scale": one.scale,
                "replications": one.replications,
                "engine": one.engine,
                "figures": entries(paired_differences(one, other, judged=judged)),
            }
            for one, other in zip(before, after, strict=True)
        ],
    }  # fmt: skip


def entries(found: Mapping[str, Difference]) -> dict[str, dict[str, Any]]:
    answered = found["availability"]
    alike = answered.baseline is None or answered.candidate is None or abs(answered.candidate - answered.baseline) <= ALIKE
    return {name: entry(name, one, alike or name.partition(".")[0] not in OF_ANSWERS) for name, one in found.items()}


def entry(name: str, found: Difference, comparable: bool = True) -> dict[str, Any]:
    """``change`` is candidate − baseline with its interval of 95 %, ``joint`` the interval that the verdict rests on.

    ``verdict``: better or worse; lower or higher where the figure has no good direction, or is not ``comparable`` because it is of
    different requests on both sides; else "no difference seen" or "insufficient".
    """
    wanted = METRICS[name].better
    verdict = found.verdict
    if comparable and wanted != "neither" and verdict in ("lower", "higher"):
        verdict = "better" if verdict == wanted else "worse"
    return {
        "baseline": found.baseline,
        "candidate": found.candidate,
        "change": found.change.as_dict(),
        "joint": {"low": found.joint.low, "high": found.joint.high},
        "comparable": comparable,
        "verdict": verdict,
    }


def is_worse(document: Document) -> bool:
    """Some figure got worse, and more than chance explains."""
    return any(figure["verdict"] == "worse" for scale in document["scales"] for figure in scale["figures"].values())


def print_differences(document: Document, file: Any) -> None:
    """A table for every scale: the figures of both sides, the change with its interval, and what that means."""
    console = console_of(file)
    for scale in document["scales"]:
        console.print(Text.assemble((f"at {times(scale['scale'])} ", "bold"), "; ".join(sentences(scale))))
        console.print()
        print_first_that_fits(console, [table(scale)], [table(scale, narrow=True)])
    console.print(Text(footnote(document), style="dim"))


def footnote(document: Document) -> str:
    replications, judged = document["scales"][0]["replications"], document["judged"]
    return (
        f"{replications} replications each with the same dice (seed {document['seed']}); intervals of {CONFIDENCE * 100:.0f} %, each for "
        f"itself; verdicts hold for all {judged} figures together (Bonferroni: {confidence_each(judged) * 100:.2f} % each)"
    )


def sentences(scale: Document) -> Iterator[str]:
    """What changed, first where both sides compare; then what has too little data."""
    figures = scale["figures"]
    changed = [name for name, figure in figures.items() if figure["verdict"] not in ("no difference seen", "insufficient")]
    yield from (change_in_words(name, figures[name]) for name in changed if figures[name]["comparable"])
    if others := [change_in_words(name, figures[name]) for name in changed if not figures[name]["comparable"]]:
        yield f"{answered_words(figures['availability'])}, not the same requests: {listed(others)}"
    if not changed and any(figure["verdict"] == "no difference seen" for figure in figures.values()):
        yield "no difference seen"
    if lacking := [metric_words(name) for name, figure in figures.items() if figure["verdict"] == "insufficient"]:
        yield f"too little data for {listed(lacking)}"


def change_in_words(name: str, figure: Document) -> str:
    return f"{metric_words(name)} {figure['verdict']} by {change_of(abs(figure['change']['value']), METRICS[name].unit)}"


def answered_words(availability: Document) -> str:
    return f"of the {percent(availability['baseline'])} / {percent(availability['candidate'])} answered"


def table(scale: Document, narrow: bool = False) -> Table:
    """Intervals beside the changes; ``narrow``: below them."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0) if narrow else (0, 1))
    made.add_column("")
    for words in ("baseline", "candidate", "change"):
        made.add_column(words, justify="right")
    if not narrow:
        made.add_column(Text("95 % interval", style="dim"))
    made.add_column("")
    for name, figure in scale["figures"].items():
        unit, change = METRICS[name].unit, figure["change"]
        changed, bounds = Text(signed(change["value"], unit)), Text(bounds_of(change, unit), style="dim")
        if narrow and bounds:
            changed.append("\n").append_text(bounds)
        cells = [Text(say(figure[side], unit)) for side in ("baseline", "candidate")]
        verdict = Text(figure["verdict"], style=STYLES.get(figure["verdict"], ""))
        made.add_row(Text(metric_words(name)), *cells, changed, *([] if narrow else [bounds]), verdict)
    return made


def bounds_of(change: Document, unit: str) -> str:
    """``-1.3 … -0.9 points``: the unit once, if it is the same; empty without bounds, or when nothing lies between them."""
    if change["low"] is None or change["high"] is None:
        return ""
    low, high = (signed(change[bound], unit) for bound in ("low", "high"))
    if low == high:
        return ""
    figure, _, words = low.partition(" ")
    return f"{figure if words and high.endswith(f' {words}') and words.isalpha() else low} … {high}"


def signed(value: float | None, unit: str) -> str:
    return f"+{change_of(value, unit)}" if value is not None and value > 0 else change_of(value, unit)


def change_of(value: float | None, unit: str) -> str:
    """A difference of shares is in percentage points."""
    return f"{value * 100:.3g} points" if unit == "share" and value is not None else say(value, unit)
