"""``python -m tests.plan_proof``: the cheapest configuration that ``tenfold plan`` finds, measured: writes results/validation/plan.md.

The winner has to keep every budget on real sockets as it was predicted to, and what is one notch cheaper has to break one. Run it with
nothing else going on: a disturbed run is reported invalid.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sim.formatting import dollars, percent
from sim.report.verdicts import budget_value
from sim.whatif.variation import as_words
from tests.proof import PLACE, ROOT, error, table_row, tenfold, today_here

SCENARIO = ROOT / "scenarios" / "validation" / "plan.yaml"
SCALE = "10"
KNOBS = ("providers.dedicated.reserved.units=4..14", "gateway.queue.concurrency=8,16,24,32")
COST = "cost_usd.per_month"
COLUMNS = [
    "configuration", "requests", "cost of a month planned", "measured", "error", "P50 error", "P99 error", "same outcome",
    "budgets planned", "measured", "verify says",
]  # fmt: skip


def cost_of(row: dict[str, Any]) -> float:
    return float(row["figures"][COST]["value"])


def notch_cheaper(document: dict[str, Any]) -> dict[str, Any]:
    """The dearest of the configurations that cost less than the winner and differ from it in one knob."""
    best = document["configurations"][document["best"]]

    def differences(row: dict[str, Any]) -> int:
        return sum(row["settings"].get(path) != value for path, value in best["settings"].items())

    less = [row for row in document["configurations"] if differences(row) == 1 and cost_of(row) < cost_of(best)]
    return max(less, key=cost_of)


def measured(settings: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the verify document, the measured run of the summary)."""
    sets = [word for path, value in settings.items() for word in ("--set", f"{path}={value}")]
    with TemporaryDirectory() as folder:
        said = tenfold("verify", SCENARIO, "--scale", SCALE, *sets, "--json", "-q", "-o", f"{folder}/run")
        summary = json.loads((Path(folder) / "run" / "summary.json").read_text())
    (run,) = [run for run in summary["runs"] if run["kind"] == "measurement"]
    return json.loads(said), run


def told(budgets: list[dict[str, Any]]) -> str:
    return "<br>".join(f"{each['budget']}: {budget_value(each)} {'holds' if each['ok'] else 'breaks'}" for each in budgets)


def cells(row: dict[str, Any], said: dict[str, Any], run: dict[str, Any]) -> list[str]:
    comparison, cost = said["comparison"], float(run["cost_usd"]["per_month"]["value"])
    return [
        as_words(tuple(row["settings"].items())), f"{said['paired']['requests']:,}", dollars(cost_of(row)), dollars(cost),
        f"{cost / cost_of(row) - 1:+.1%}", error(comparison["latency_s.p50"]), error(comparison["latency_s.p99"]),
        percent(said["paired"]["same_outcome"]), told(row["budgets"]), told(run["budgets"]),
        "; ".join([said["verdict"], *said["why_invalid"]]),
    ]  # fmt: skip


def main() -> int:
    knobs = [word for knob in KNOBS for word in ("--knob", knob)]
    options = ["--minimise", "cost", "--scale", SCALE, *knobs]
    document = json.loads(tenfold("plan", SCENARIO, *options, "--json", "-q"))
    best = document["configurations"][document["best"]]
    rows, verdicts = [], {}
    for name, row, holds in (("the cheapest", best, True), ("one notch cheaper", notch_cheaper(document), False)):
        said, run = measured(row["settings"])
        rows.append(cells(row, said, run))
        as_planned = {each["budget"]: each["ok"] for each in row["budgets"]} == {each["budget"]: each["ok"] for each in run["budgets"]}
        all_hold = all(each["ok"] for each in run["budgets"])
        words = f"{name} {'keeps every budget' if holds else 'breaks a budget'} when it is measured, each as planned"
        verdicts[words] = all_hold is holds and as_planned and said["verdict"] == "pass"
    text = [
        "# The cheapest configuration, planned and measured", "",
        f"`python -m tests.plan_proof` on {today_here()}. `tenfold plan scenarios/validation/plan.yaml {shlex.join(options)}` answers:", "",
        f"> {document['answer']}", "",
        "Each of the two was then run by `tenfold verify` with the reference gateway, mock providers and load generator as processes of "
        "their own. What a measurement costs a month is what its own tokens and units would.", "",
        table_row(COLUMNS), table_row(["---"] * len(COLUMNS)), *map(table_row, rows), "",
        *(f"- {'reached' if reached else '**missed**'}: {what}" for what, reached in verdicts.items()), "",
    ]  # fmt: skip
    (PLACE / "plan.md").write_text("\n".join(text))
    (PLACE / "plan.json").write_text(
        json.dumps({"schema_version": 1, "answer": document["answer"], "columns": COLUMNS, "rows": rows, "verdicts": verdicts}, indent=1)
        + "\n"
    )
    print("\n".join(text))
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
