"""What became worse than a baseline, in words and as a table: from the ``baseline`` part of a summary document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sim.analysis.metrics import METRICS
from sim.formatting import Document, listed, metric_words, say, times

MARKS = {"ok": "✅", "regression": "❌", "inconclusive": "❔", "insufficient": "❔"}
HEADINGS = ("", "baseline", "now", "change", "interval", "tolerance", "")


def regressed(summary: Document) -> bool:
    return any(figure["verdict"] == "regression" for _, _, figure in judged(summary))


def judged(summary: Document) -> Iterator[tuple[float, str, Document]]:
    """Scale, metric and what was found, of everything compared with the baseline; nothing where there was none."""
    for scale in summary.get("baseline", {}).get("scales", ()):
        for name, figure in scale["figures"].items():
            yield scale["scale"], name, figure


def sentence(summary: Document) -> str:
    """What there is to say first; empty where there is no baseline."""
    found = list(judged(summary))
    if not found:
        return ""
    worse = [said(scale, name, figure) for scale, name, figure in found if figure["verdict"] == "regression"]
    if worse:
        return f"Worse than the baseline: {listed(worse)}."
    words = {"inconclusive": "Inconclusive for", "insufficient": "Too little data for"}
    unsure = [
        f"{start} {listed(which)}"
        for verdict, start in words.items()
        if (which := [f"{metric_words(name)} at {times(scale)}" for scale, name, figure in found if figure["verdict"] == verdict])
    ]
    return f"{'; '.join(unsure)}; nothing is shown to be worse than the baseline." if unsure else "Nothing is worse than the baseline."


def said(scale: float, name: str, figure: Document) -> str:
    """``latency P99 at 1x: 1.89 s → 1.98 s, +4.9 % (4.8 % … 5.1 %; tolerance 2 %)``."""
    unit = METRICS[name].unit
    both = " → ".join(say(figure[side], unit) for side in ("baseline", "candidate"))
    bounds = between(figure["change"], unit)
    inside = "; ".join(filter(None, [bounds, f"tolerance {change_of(figure['tolerance'], unit).lstrip('+')}"]))
    return f"{metric_words(name)} at {times(scale)}: {both}, {change_of(figure['change']['value'], unit)} ({inside})"


def cells(scale: float, name: str, figure: Document) -> Sequence[str]:
    """Of one row under HEADINGS."""
    unit = METRICS[name].unit
    return (
        f"{metric_words(name)} at {times(scale)}", say(figure["baseline"], unit), say(figure["candidate"], unit),
        change_of(figure["change"]["value"], unit), between(figure["change"], unit), change_of(figure["tolerance"], unit).lstrip("+"),
        figure["verdict"],
    )  # fmt: skip


def between(change: Document, unit: str) -> str:
    if change["low"] is None or change["high"] is None:
        return ""
    low, high = (change_of(change[bound], unit) for bound in ("low", "high"))
    return "" if low == high else f"{low} … {high}"


def change_of(value: float | None, unit: str) -> str:
    """Relative changes in per cent, those of shares in percentage points."""
    if value is None:
        return "–"
    return f"{value * 100:+.3g} {'points' if unit == 'share' else '%'}".replace("+0 ", "0 ")
