"""A sweep: every configuration's figures beside its base's, paired replication by replication, and which of them is best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sim.analysis.metrics import METRICS
from sim.analysis.paired_comparison import Difference, difference
from sim.formatting import Document, dollars, listed, percent, seconds
from sim.report.comparison_table import entries
from sim.report.verdicts import budget_value
from sim.scenario.load import Loaded
from sim.whatif.budgets import excess
from sim.whatif.configurations import Configuration
from sim.whatif.evaluation import AVAILABILITY, COST, P99, broken, holds, unsure, value_of, values_of
from sim.whatif.variation import as_words

SCHEMA_VERSION = 1


def sweep_document(
    base: Loaded, made: Sequence[Configuration], found: Sequence[Document], figures: Sequence[str], seed: int, paths: Sequence[str]
) -> dict[str, Any]:
    """``tenfold sweep --json``. ``found`` are the documents of ``figures_of``, one for each configuration.

    ``compared_with`` is the number of the configuration that the others are compared with: the scenario as it stands where it is among
    them, else the first. All changes are judged together (Bonferroni).
    """
    reference = next((each.number for each in made if each.loaded.sha256 == base.sha256), 0)
    judged = max(1, len(figures) * (len(made) - 1))
    rows = []
    for each, document in zip(made, found, strict=True):
        changes = None if each.number == reference else entries(changes_of(found[reference], document, figures, judged))
        rows.append(
            {
                "configuration": each.number,
                "settings": dict(each.settings),
                "scenario_sha256": each.loaded.sha256,
                **{key: document[key] for key in ("requests", "figures", "budgets", "binding", "outcomes", "refused_by")},
                "holds": holds(document) if document["budgets"] else None,
                "changes": changes,
            }
        )
    document = {
        "schema_version": SCHEMA_VERSION,
        "scenario": base.scenario.name,
        "scenario_sha256": base.sha256,
        "seed": seed,
        "scale": found[0]["scale"],
        "replications": found[0]["replications"],
        "engine": found[0]["engine"],
        "varied": list(paths),
        "figures": list(figures),
        "compared_with": reference,
        "judged": judged,
        "configurations": rows,
    }
    best, says = answer(rows)
    return document | {"best": best, "answer": says}


def changes_of(before: Document, after: Document, figures: Sequence[str], judged: int) -> dict[str, Difference]:
    return {name: difference(values_of(before, name), values_of(after, name), judged) for name in figures}


# ---- which is best ----------------------------------------------------------------------------------------------------
def answer(rows: Sequence[Document]) -> tuple[int | None, str]:
    """The number of the best configuration and the sentence that says why: the cheapest of those within all budgets, of several that cost
    the same the one with the lowest P99; without budgets the lowest P99.
    """
    if rows[0]["holds"] is None:
        return best_without_budgets(rows)
    within = [row for row in rows if row["holds"]]
    if not within:
        return none_within(rows)
    best, others = best_by(within, COST)
    sure = ", though not surely: an interval reaches over its limit" if unsure(best) else ""
    alike = f"; {counted(others, 'other')} cost{'s' if others == 1 else ''} the same as far as can be seen" if others else ""
    how_many = f"{len(within)} of {len(rows)} configurations hold{'s' if len(within) == 1 else ''} every budget"
    return best["configuration"], f"Cheapest within all budgets{sure}: {words_of(best)}: {key_figures(best)} ({how_many}{alike})."


def best_without_budgets(rows: Sequence[Document]) -> tuple[int | None, str]:
    best, others = best_by(rows, P99)
    if math.isnan(value_of(best, P99)):
        return (
            None,
            "Too few answered requests to tell a P99 of any configuration; give it more --replications or a longer workload.duration.",
        )
    alike = f" ({counted(others, 'other')} no different as far as can be seen)" if others else ""
    return best["configuration"], f"Best P99: {words_of(best)}: {key_figures(best)}{alike}; the scenario states no budgets."


def none_within(rows: Sequence[Document]) -> tuple[int | None, str]:
    best = min(rows, key=lambda row: (len(broken(row)), excess_of(row)))
    failing = listed([f"{each['budget']} ({budget_value(each)})" for each in broken(best)])
    return None, f"No configuration of {len(rows)} holds every budget; the closest is {words_of(best)}, which breaks {failing}."


def best_by(rows: Sequence[Document], name: str) -> tuple[Document, int]:
    """The lowest of a figure; of those that do not differ from it the one with the lowest P99, and how many more there are.

    Two differ where the interval of their paired difference leaves out zero.
    """
    lowest = min(rows, key=lambda row: or_last(value_of(row, name)))
    alike = [row for row in rows if row is lowest or same(lowest, row, name)]
    return min(alike, key=lambda row: (or_last(value_of(row, P99)), or_last(value_of(row, name)))), len(alike) - 1


def same(first: Document, other: Document, name: str) -> bool:
    change = difference(values_of(first, name), values_of(other, name)).change
    if change.low is None or change.high is None:
        return change.value == 0
    return change.low <= 0 <= change.high


def or_last(value: float) -> float:
    return math.inf if math.isnan(value) else value


def excess_of(row: Document) -> float:
    """By how much the budgets that do not hold are missed, each as a share of its limit."""
    return sum(map(excess, row["budgets"]))


def words_of(row: Document) -> str:
    return as_words(tuple(row["settings"].items()))


def key_figures(row: Document) -> str:
    cost, p99, available = (row["figures"][name]["value"] for name in (COST, P99, AVAILABILITY))
    return f"{dollars(cost)} a month, P99 {seconds(p99)}, {percent(available)} available"


def counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


# ---- rows -------------------------------------------------------------------------------------------------------------
def write_tables(document: Document, folder: Any) -> None:
    """``figures.parquet``: a row for each configuration and figure; ``replications.parquet``: for each replication of those."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    figures, single = [], []
    for row in document["configurations"]:
        about = {"configuration": row["configuration"], "scenario_sha256": row["scenario_sha256"], "holds": row["holds"]}
        about |= {f"set {path}": row["settings"].get(path) for path in document["varied"]}
        for name in document["figures"]:
            figure, change = row["figures"][name], (row["changes"] or {}).get(name)
            changed = {f"change{end}": change["change"][part] if change else None for end, part in ENDS}
            judged = {f"joint_{part}": change["joint"][part] if change else None for part in ("low", "high")}
            estimate = {part: figure[part] for part in ("value", "low", "high")}
            verdict = {"verdict": change["verdict"] if change else None}
            figures.append(about | {"figure": name, "unit": METRICS[name].unit} | estimate | changed | judged | verdict)
            single += [
                {"configuration": row["configuration"], "figure": name, "replication": number, "value": value}
                for number, value in enumerate(figure["by_replication"])
            ]
    pq.write_table(typed(figures, pa), folder / "figures.parquet")
    pq.write_table(typed(single, pa), folder / "replications.parquet")


ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def typed(rows: list[dict[str, Any]], pa: Any) -> Any:
    """A pyarrow.Table; a column without a single value is one of numbers."""
    table = pa.Table.from_pylist(rows)
    for place, column in enumerate(table.schema):
        if pa.types.is_null(column.type):
            table = table.set_column(place, column.name, table.column(place).cast(pa.float64()))
    return table
