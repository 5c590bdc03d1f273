"""report.html: results as one page that needs no other file, no script to be read, and no network."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from sim.analysis.metrics import METRICS
from sim.data.outcomes import FAILURES, KINDS
from sim.formatting import NOT_KNOWN, Document, dollars, interval, metric_words, number, percent, say, seconds, times
from sim.report import charts
from sim.report.colors import outcome_roles, part_roles
from sim.report.outlook import outlook
from sim.report.panels import Shown, shown_runs
from sim.report.terminal import at, beside, compared, error, figures_of, share_of, survivors
from sim.report.verdicts import budget_value, imprecise, verdict
from sim.results.results import Results
from sim.scenario.model import Fault, RedisFault

FOLDER = Path(__file__).parent
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
    summary, shown = results.summary, shown_runs(results)
    entries = [one.entry for one in shown]
    state, sentence = verdict(summary)
    document = summary.get("verify")
    return {
        "scenario": results.scenario,
        "state": state,
        "state_word": STATES[state],
        "sentence": " ".join(filter(None, [sentence, outlook(summary)])),
        "kind": "Prediction beside measurement" if document else "Measurement" if not results.predictions else "Prediction",
        "manifest": results.manifest,
        "entries": [one.entry | {"name": one.name, "at": one.at} for one in shown],
        "parts": time_parts(shown),
        "part_colors": part_roles(),
        "outcome_colors": outcome_roles(),
        "figures": [
            (words, [(say(at(entry, name)["value"], unit), beside(entry, name, unit)) for entry in entries])
            for words, name, unit in figures_of(entries)
        ],
        "outcomes": [
            (kind.name, kind.meaning, [(entry["outcomes"][kind.name], share_of(entry, "outcomes", kind.name)) for entry in entries])
            for kind in KINDS
            if any(entry["outcomes"][kind.name] for entry in entries)
        ],
        "refusals": refusal_rows(entries),
        "imprecise": imprecise(summary["runs"]),
        "share_of": share_of,
        "survivors": survivors,
        "budgets": budget_rows(entries, invalid=state == "invalid"),
        "document": document,
        "comparison": comparison_rows(document) if document else [],
        "certificate": certificate_rows(document["certificate"]) if document else [],
        "charts": {name: Markup(svg) for name, svg in drawings(results, shown).items()},
        "timelines": [(one.name, timeline(one, index, shown)) for index, one in enumerate(shown)],
        "faults": [fault_words(fault) for fault in results.scenario.faults],
        "replay": replay(results),
        "rows_kept": [entry["rows_kept"]["says"] for entry in summary["runs"] if "rows_kept" in entry],
    }


def refusal_rows(entries: Sequence[Document]) -> list[tuple[str, list[int]]]:
    """What refused requests, and attempts at providers, with how many in each run; what refused most in the first run comes first."""
    rows = []
    for key, of in (("refused_by", "requests"), ("attempts_refused_by", "attempts")):
        names = dict.fromkeys(name for entry in entries for name in entry[key])
        rows += [(f"{name} ({of})", [entry[key].get(name, 0) for entry in entries]) for name in names]
    return rows


def budget_rows(entries: Sequence[Document], invalid: bool) -> list[tuple[str, list[dict[str, Any]]]]:
    """Every budget with how each run meets it; ``void`` what an invalid measurement says of it."""

    def judged(entry: Document, index: int) -> dict[str, Any]:
        budget = entry["budgets"][index]
        return {**budget, "shown": budget_value(budget), "void": invalid and entry["kind"] == "measurement"}

    return [(budget["budget"], [judged(entry, index) for entry in entries]) for index, budget in enumerate(entries[0]["budgets"])]


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


def certificate_rows(certificate: Document, above: tuple[str, ...] = ()) -> list[tuple[str, str, bool]]:
    """A certificate of any depth as (words, value, whether it is a detail): ``send lag p99``, ``2.1 ms``. Without its lists."""
    rows: list[tuple[str, str, bool]] = []
    for key, value in certificate.items():
        path = (*above, str(key))
        if isinstance(value, dict):
            rows += certificate_rows(value, path)
        elif not isinstance(value, list):
            words = " ".join(path).replace("_s ", " ").removesuffix("_s").replace("_", " ")
            rows.append((words, certified(value, is_duration(path)), len(path) > 2))
    return rows


def is_duration(path: tuple[str, ...]) -> bool:
    """``bound_s`` and the figures of ``lateness_s``, but not how many there were."""
    leaf, family = path[-1], path[-2] if len(path) > 1 else ""
    return leaf.endswith("_s") or (family.endswith("_s") and (leaf.startswith("p") or leaf in ("max", "min", "mean")))


def certified(value: Any, in_seconds: bool) -> str:
    if value is None or isinstance(value, bool):
        return {None: NOT_KNOWN, True: "yes", False: "no"}[value]
    if isinstance(value, (int, float)):
        return seconds(value) if in_seconds else number(value)
    return str(value)


def drawings(results: Results, shown: Sequence[Shown]) -> dict[str, str]:
    entries = results.summary["runs"]
    quantile_lines = [
        (word, role, lambda entry, key=key: entry["latency_s"][key])
        for word, role, key in (("P50", "series-0", "p50"), ("P95", "series-4", "p95"), ("P99", "series-3", "p99"))
    ]
    failures = [
        (kind.name.replace("_", " "), outcome_roles()[kind.name], lambda entry, name=kind.name: entry["error_rate"][name])
        for kind in KINDS
        if kind.code >= FAILURES and any(entry["outcomes"][kind.name] for entry in entries)
    ]
    every = [("no answer", "ink", lambda entry: entry["error_rate"]["total"]), *failures]
    measurement = results.measurement
    pairs = charts.paired_differences(results.predictions[0], measurement) if measurement and results.predictions else ""
    cost = [("USD a month", "series-0", lambda entry: entry["cost_usd"]["per_month"])]
    return {
        "percentiles": charts.percentile_curve(shown),
        "first_token": charts.percentile_curve(shown, "ttft_s"),
        "pairs": pairs,
        "scale_latency": charts.scale_curve("latency", "latency by scale", entries, quantile_lines, "s"),
        "scale_errors": charts.scale_curve("errors", "share of requests without an answer by scale", entries, every, "share"),
        "scale_cost": charts.scale_curve("cost", "cost a month by scale", entries, cost, "USD"),
    }


def time_parts(shown: Sequence[Shown]) -> tuple[list[str], list[tuple[str, float, list[tuple[str, float]]]]]:
    """The parts worth showing, and for each run and percentile (label, total seconds, (part, seconds))."""
    quantiles = (("P50", "p50_parts_s"), ("P99", "p99_parts_s"))
    bars = [(f"{words} {one.name}", one.entry[key]) for words, key in quantiles for one in shown]
    seen = [part for part in part_roles() if any(parts.get(part, 0) > 0.005 * sum(parts.values()) for _, parts in bars)]
    return seen, [(label, sum(parts.values()), [(part, parts[part]) for part in seen]) for label, parts in bars if parts]


def timeline(one: Shown, index: int, shown: Sequence[Shown]) -> dict[str, Markup]:
    """The drawings over time of one run; what was predicted for a measurement shows that too."""
    run, name = one.run, f"time-{index}"
    other = next((each for each in shown if each.dashed), None) if one.name == "predicted" else None
    drawn = {
        "Requests per second": charts.rates_over_time(run, name),
        "Latency of answered requests": charts.latency_over_time(one, name, other),
        "In service and waiting": charts.sampled_over_time(
            run, name, (("in_service", "in service", "series-0"), ("waiting", "waiting", "series-3")), "requests in service and waiting"
        ),
        "Workers": charts.workers_over_time(run, name),
        "Circuit breakers open": charts.sampled_over_time(run, name, (("open_breakers", "open", "series-4"),), "breakers open"),
    }
    return {title: Markup(svg) for title, svg in drawn.items() if svg}


def fault_words(fault: Fault | RedisFault) -> str:
    """In the durations of the scenario: ``outage of openai, from 5m for 90s``."""
    written = fault.model_dump(mode="json", by_alias=True)
    if isinstance(fault, RedisFault):
        return f"{fault.kind}, from {written['at']} for {written['for']}"
    target = f"{fault.provider}/{fault.model}" if fault.model else fault.provider or fault.region
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
