"""The runs that a report shows, with the name, colour and figures of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sim.analysis.summary import summarize_run
from sim.data.run import Run
from sim.formatting import times
from sim.report.svg import COLOR
from sim.results.results import Results

MEASURED = "series-1"
PREDICTED = ("series-0", "series-4", "series-3", "series-2", "series-6", "series-7", "series-5")


@dataclass(frozen=True)
class Shown:
    """``name`` heads its columns, ``at`` says it in a sentence; ``entry`` is its part of a summary document."""

    run: Run
    entry: dict[str, Any]
    name: str
    at: str
    color: str
    dashed: bool = False


def shown_runs(results: Results) -> list[Shown]:
    """In the order of the page.

    Beside a measurement stands the prediction of the *same luck*, replication 0, for that is what it is compared with; the prediction over
    all replications follows, because the next run will have other luck.
    """
    measurement = results.measurement
    several = len(results.predictions) > 1
    shown = []
    for place, run in enumerate(results.predictions):
        color = COLOR[PREDICTED[place % len(PREDICTED)]]
        entry = results.summary_of(run)
        if measurement is None or run.scale != measurement.scale:
            shown.append(Shown(run, entry, times(run.scale) if several else "predicted", f"at {times(run.scale)}", color))
            continue
        same = run.first(1)
        shown.append(Shown(same, summarize_run(same), "predicted", f"predicted at {times(run.scale)}", color))
        shown.append(measured(results, measurement))
        if entry["replications"] > 1:
            words = f"predicted over {entry['replications']} replications"
            shown.append(Shown(run, entry, "any luck", words, COLOR["series-5"]))
    if measurement is not None and not any(one.run is measurement for one in shown):
        shown.append(measured(results, measurement))
    return shown


def measured(results: Results, run: Run) -> Shown:
    return Shown(run, results.summary_of(run), "measured", f"measured at {times(run.scale)}", COLOR[MEASURED], dashed=True)
