"""The guide's tables beside the model's figures; where they part, why, and at which traffic they would not."""

from __future__ import annotations

from typing import Any

from sim.analysis.estimators import Estimate
from sim.analysis.metrics import measure
from sim.formatting import say
from sim.guide.cases import Cases, figure_by
from sim.guide.levers import Lever, Place, solve
from sim.guide.lines import Line

CLOSE = 0.05
"""Relative distance within which a figure of the guide that is one number, not a range, counts as met."""


def row(line: Line, cases: Cases, coarse: Cases) -> dict[str, Any]:
    """Plain JSON types. ``coarse`` has fewer replications, for the many runs of a search."""
    found = line.estimate(cases)
    state = verdict(found, line)
    apart = state != "within"
    return {
        "table": line.table,
        "line": line.words,
        "unit": line.unit,
        "guide": {"low": line.low, "high": line.high},
        "model": found.as_dict(),
        "verdict": state,
        "scenario": f"guide/{line.scenario}",
        "against": f"guide/{line.before}" if line.before else None,
        "because": line.because(cases) if apart and line.because else None,
        "would_hold": [sensitivity(line, lever, found, coarse) for lever in line.levers] if apart else [],
    }


def verdict(found: Estimate, line: Line) -> str:
    """within, or on which side; "not surely": the interval reaches over the bound."""
    low, high = bounds(line)
    if found.value is None:
        return "not known"
    if low <= found.value <= high:
        return "within"
    side = "below" if found.value < low else "above"
    unsure = found.low is not None and found.high is not None and found.low <= high and found.high >= low
    return f"{side}, not surely" if unsure else side


def bounds(line: Line) -> tuple[float, float]:
    slack = CLOSE * line.low if line.low == line.high else 0.0
    return line.low - slack, line.high + slack


def sensitivity(line: Line, lever: Lever, found: Estimate, coarse: Cases) -> dict[str, Any]:
    """At which place of a lever the line reaches the nearest bound of the guide's range."""
    target = line.low if (found.value or 0.0) < line.low else line.high
    place = solve(lambda at: at_place(line, lever, at, coarse), target, lever)
    return {"lever": lever.name, "today": lever.today, "place": place.place, "target": target, "says": in_words(line, lever, place)}


def at_place(line: Line, lever: Lever, at: float, cases: Cases) -> float:
    """The line's figure, with the lever turned in both of the scenarios that it is made of."""
    changes = {name: lever.changes(cases.of(name).tree(), at) for name in (line.before, line.scenario) if name}
    if line.before:
        both = changes[line.before], changes[line.scenario]
        return float(cases.saving(line.before, line.scenario, line.figure, both).value or 0.0)
    run = cases.run(line.scenario, changes[line.scenario])
    if line.of is not None:
        return float(figure_by(run, line.figure).mean())
    return float(measure(run, line.figure).value or 0.0)


def in_words(line: Line, lever: Lever, place: Place) -> str:
    target = say(place.target, line.unit)
    if place.place is not None:
        return f"{target} would hold if {lever.says(place.place)}"
    ends = sorted(zip(place.at_ends, (lever.low, lever.high), strict=True))
    nearest = min(ends, key=lambda end: abs(end[0] - place.target))
    return f"{target} is out of reach: even if {lever.says(nearest[1])} it is {say(nearest[0], line.unit)}"
