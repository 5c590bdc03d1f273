"""report.html: results as one page that needs no other file, no script to be read, and no network."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from sim.breakdown import OTHER, PARTS
from sim.metrics import METRICS
from sim.records import OUTCOMES
from sim.report import charts
from sim.results import Results
from sim.run import Run
from sim.scenario.model import Fault
from sim.text import FIGURES, at, compared, error, outcome_share
from sim.wording import NOT_KNOWN, Document, budget_value, dollars, interval, metric_words, number, percent, say, seconds, times, verdict

FOLDER = Path(__file__).parent
PART_COLORS = dict(zip([*PARTS.values(), OTHER], [f"series-{number}" for number in (3, 7, 5, 6, 2, 0, 1)] + ["shade"], strict=True))
STATES = {"pass": "Holds", "partly": "Holds in part", "fail": "Does not hold", "invalid": "Invalid", "unknown": "Note"}


def render(results: Results) -> str:
    """The page. Every text of the scenario is escaped; the page's own policy forbids it to fetch anything."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "seconds": seconds, "percent": percent, "dollars": dollars, "number": number, "times": times, "interval": interval, "say": say,
        "error": error,
    }  # fmt: skip
    css, js = ((FOLDER / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    return environment.get_template("report.html.j2").render(css=Markup(css), js=Markup(js), **page(results))


def page(results: Results) -> dict[str, Any]:
    """Everything the template shows."""
    summary, runs = results.summary, results.runs
    state, sentence = verdict(summary)
    document = summary.get("verify")
    return {
        "scenario": results.scenario,
        "state": state,
        "state_word": STATES[state],
        "sentence": sentence,
        "kind": "Prediction beside measurement" if document else "Measurement" if not results.predictions else "Prediction",
        "manifest": results.manifest,
        "entries": [labelled(results, run) for run in runs],
        "parts": time_parts([labelled(results, run) for run in runs]),
        "part_colors": PART_COLORS,
        "figures": [(words, [cell(at(entry, name), unit) for entry in summary["runs"]]) for words, name, unit in FIGURES],
        "outcomes": [
            (outcome, [(entry["outcomes"][outcome], outcome_share(entry, outcome)) for entry in summary["runs"]])
            for outcome in OUTCOMES
            if any(entry["outcomes"][outcome] for entry in summary["runs"])
        ],
        "outcome_share": outcome_share,
        "budgets": budget_rows(summary["runs"]),
        "document": document,
        "comparison": comparison_rows(document) if document else [],
        "certificate": certificate_rows(document["certificate"]) if document else [],
        "charts": {name: Markup(svg) for name, svg in drawings(results).items()},
        "timelines": [(charts.name_of(run, runs), timeline(run, index, runs)) for index, run in enumerate(runs)],
        "faults": [fault_words(fault) for fault in results.scenario.faults],
        "replay": replay(results),
    }


def labelled(results: Results, run: Run) -> dict[str, Any]:
    """A run's summary entry with its name on the page."""
    entry = dict(results.summary_of(run))
    name = charts.name_of(run, results.runs)
    return entry | {"name": name, "at": "as measured" if run.kind == "measurement" else f"at {times(run.scale)}"}


def cell(estimate: Document, unit: str) -> tuple[str, str]:
    return say(estimate["value"], unit), interval(estimate, unit)


def budget_rows(entries: Sequence[Document]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [
        (budget["budget"], [{**entry["budgets"][index], "shown": budget_value(entry["budgets"][index])} for entry in entries])
        for index, budget in enumerate(entries[0]["budgets"])
    ]


def comparison_rows(document: Document) -> list[dict[str, Any]]:
    """Prediction beside measurement, with the tolerance where there is one."""
    checks = {check["check"]: check for check in document["checks"]}
    rows = []
    for name, figure in document["comparison"].items():
        says = METRICS[name].says if name in METRICS else "of all counted requests together"
        rows.append(
            {
                "name": name,
                "words": metric_words(name),
                "says": says,
                "predicted": compared(name, figure["predicted"]),
                "measured": compared(name, figure["measured"]),
                "error": figure["error"],
                "check": checks.get(name),
            }
        )
    return rows


def certificate_rows(certificate: Document, above: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """A certificate of any depth as (words, value): ``mock lateness p99``, ``2.1 ms``. Reasons are shown elsewhere."""
    rows: list[tuple[str, str]] = []
    for key, value in certificate.items():
        path = (*above, str(key))
        if isinstance(value, dict):
            rows += certificate_rows(value, path)
        elif not isinstance(value, list):
            words = " ".join(path).replace("_s ", " ").removesuffix("_s").replace("_", " ")
            rows.append((words, certified(value, any(part.endswith("_s") for part in path))))
    return rows


def certified(value: Any, is_duration: bool) -> str:
    if value is None or isinstance(value, bool):
        return {None: NOT_KNOWN, True: "yes", False: "no"}[value]
    if isinstance(value, (int, float)):
        return seconds(value) if is_duration else number(value)
    return str(value)


def drawings(results: Results) -> dict[str, str]:
    runs, entries = results.runs, results.summary["runs"]
    quantile_lines = [
        (word, role, lambda entry, key=key: entry["latency_s"][key])
        for word, role, key in (("P50", "series-0", "p50"), ("P95", "series-4", "p95"), ("P99", "series-3", "p99"))
    ]
    failures = [
        (outcome.replace("_", " "), outcome.replace("_", "-"), lambda entry, outcome=outcome: entry["error_rate"][outcome])
        for outcome in OUTCOMES[3:]
        if any(entry["outcomes"][outcome] for entry in entries)
    ]
    every = [("not served", "ink", lambda entry: entry["error_rate"]["total"]), *failures]
    measurement = results.measurement
    pairs = charts.paired_differences(results.predictions[0], measurement) if measurement and results.predictions else ""
    cost = [("USD a month", "series-0", lambda entry: entry["cost_usd"]["per_month"])]
    return {
        "percentiles": charts.percentile_curve(runs),
        "first_token": charts.percentile_curve(runs, "ttft_s"),
        "pairs": pairs,
        "scale_latency": charts.scale_curve("latency", "latency by scale", entries, quantile_lines, "s"),
        "scale_errors": charts.scale_curve("errors", "share of requests not served by scale", entries, every, "share"),
        "scale_cost": charts.scale_curve("cost", "cost a month by scale", entries, cost, "USD"),
    }


def time_parts(entries: Sequence[dict[str, Any]]) -> tuple[list[str], list[tuple[str, float, list[tuple[str, float]]]]]:
    """The parts worth showing, and for each run and percentile (label, total seconds, (part, seconds))."""
    quantiles = (("P50", "p50_parts_s"), ("P99", "p99_parts_s"))
    bars = [(f"{words} {entry['name']}", entry[key]) for entry in entries for words, key in quantiles]
    shown = [part for part in PART_COLORS if any(parts.get(part, 0) > 0.005 * sum(parts.values()) for _, parts in bars)]
    return shown, [(label, sum(parts.values()), [(part, parts[part]) for part in shown]) for label, parts in bars if parts]


def timeline(run: Run, index: int, runs: Sequence[Run]) -> dict[str, Markup]:
    """The drawings over time of one run; beside a measurement at the same scale, the prediction shows it too."""
    other = next((one for one in runs if one.kind == "measurement" and one.scale == run.scale and run.kind == "prediction"), None)
    name = f"time-{index}"
    drawn = {
        "Requests per second": charts.rates_over_time(run, name),
        "Latency of served requests": charts.latency_over_time(run, name, other),
        "In service and waiting": charts.sampled_over_time(
            run, name, (("in_service", "in service", "series-0"), ("waiting", "waiting", "series-3")), "requests in service and waiting"
        ),
        "Circuit breakers open": charts.sampled_over_time(run, name, (("open_breakers", "open", "series-4"),), "breakers open"),
    }
    return {title: Markup(svg) for title, svg in drawn.items() if svg}


def fault_words(fault: Fault) -> str:
    """In the durations of the scenario: ``outage of openai, from 5m for 90s``."""
    written = fault.model_dump(mode="json", by_alias=True)
    target = f"{fault.provider}/{fault.model}" if fault.model else fault.provider
    return f"{fault.kind} of {target}, from {written['at']} for {written['for']}"


def replay(results: Results) -> dict[str, Any]:
    """How to do it again: the command, and everything the result depends on."""
    manifest = results.manifest
    return {
        "command": shlex.join(str(word) for word in manifest["argv"]) or "tenfold",
        "seed": manifest["seed"],
        "sha256": results.scenario_sha256,
        "commit": manifest["commit"],
        "versions": manifest["versions"],
        "host": manifest["host"],
        "yaml": results.scenario_yaml,
    }
