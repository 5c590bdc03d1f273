"""A summary document as a table for the terminal: verdict and what binds first, then the figures by scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.analysis.metrics import METRICS
from sim.formatting import Document, interval, metric_words, number, percent, say, seconds, times
from sim.report import regressions
from sim.report.outlook import outlook
from sim.report.verdicts import budget_value, imprecise, verdict

UNBOUNDED = 10_000
"""Columns in which every table has room."""
OVERLOADED = 0.99
"""Availability below which latencies are said to be those of the requests that came through: they improve as more are refused."""
OF_SURVIVORS = ("latency_s.p50", "latency_s.p99", "ttft_s.p50", "ttft_s.p99")

STYLES = {
    "pass": "bold green", "partly": "bold yellow", "fail": "bold red", "invalid": "bold yellow",
    "ok": "green", "broken": "red", "insufficient": "yellow",
}  # fmt: skip
NO_GATE = "predict always exits 0; `tenfold check` exits 3 where a budget is broken"
WORDS = {"pass": "PASS", "partly": "PARTLY", "fail": "FAIL", "invalid": "INVALID", "unknown": "NOTE"}
FIGURES: tuple[tuple[str, str, str], ...] = (
    ("latency mean", "latency_s.mean", "s"),
    ("latency P50", "latency_s.p50", "s"),
    ("latency P95", "latency_s.p95", "s"),
    ("latency P99", "latency_s.p99", "s"),
    ("batch latency P50", "batch_latency_s.p50", "s"),
    ("batch latency P99", "batch_latency_s.p99", "s"),
    ("jobs done P50", "job_s.p50", "s"),
    ("jobs done P99", "job_s.p99", "s"),
    ("first token P50", "ttft_s.p50", "s"),
    ("first token P99", "ttft_s.p99", "s"),
    ("added latency P50", "added_latency_s.p50", "s"),
    ("added latency P99", "added_latency_s.p99", "s"),
    ("had to wait", "queue_wait_s.p_wait", "share"),
    ("queue wait P99", "queue_wait_s.p99", "s"),
    ("availability", "availability", "share"),
    ("served", "served", "share"),
    ("whole batches", "batch_availability", "share"),
    ("clients served in the end", "client.availability", "share"),
    ("goodput", "goodput", "share"),
    ("cache hits", "cache_hit_rate", "share"),
    ("workers", "workers.mean", "workers"),
    ("most workers", "workers.max", "workers"),
    ("cost per request", "cost_usd.per_request", "USD"),
    ("cost per conversation", "cost_usd.per_conversation", "USD"),
    ("tasks completed", "task_completion", "share"),
    ("Apdex", "apdex", "share"),
    ("cost per user and month", "cost_usd.per_user_month", "USD"),
    ("cost per month", "cost_usd.per_month", "USD"),
)


def console_of(file: Any) -> Console:
    """Rich honours NO_COLOR and what is not a terminal; there lines are not folded to a window that does not exist."""
    console = Console(file=file, highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(file=file, highlight=False, width=140)


def print_summary(summary: Document, console: Console) -> None:
    """The whole of a summary document, for people."""
    runs = summary["runs"]
    state, sentence = verdict(summary)
    console.print(Text.assemble((WORDS[state], STYLES.get(state, "bold")), "  ", " ".join(filter(None, [sentence, outlook(summary)]))))
    if state in ("fail", "partly") and "verify" not in summary:
        console.print(Text(NO_GATE, style="dim"))
    for run in runs:
        if run["kind"] == "prediction":
            console.print(Text.assemble((f"at {times(run['scale'])} ", "bold"), run["binding"]))
    console.print()
    if "verify" in summary:
        print_first_that_fits(console, [comparison_table(summary["verify"])], [comparison_table(summary["verify"], narrow=True)])
        for finding in summary["verify"].get("findings", ()):
            console.print(f"{finding['kind']}: {finding['says']}", markup=False, highlight=False)
    else:
        print_tables(figures_table, runs, console)
    if any(len({each["priority"] for each in run.get("by_class", {}).values()}) > 1 for run in runs):
        print_tables(classes_table, runs, console)
    if any(run["budgets"] for run in runs):
        print_tables(budgets_table, runs, console)
    if any(run.get("assertions") for run in runs):
        print_tables(assertions_table, runs, console)
    if wide := imprecise(runs):
        console.print(Text(wide, style="yellow"))
    console.print(Text(footnote(summary), style="dim"))


def print_budgets(summary: Document, console: Console) -> None:
    """The verdict and the budgets alone; what became worse than a baseline comes first."""
    state, sentence = verdict(summary)
    if against := regressions.sentence(summary):
        shown = "fail" if regressions.regressed(summary) else "pass" if against == "Nothing is worse than the baseline." else "unknown"
        console.print(Text.assemble((WORDS[shown], STYLES.get(shown, "bold")), "  ", against))
        console.print(regressions_table(summary))
        console.print()
    console.print(Text.assemble((WORDS[state], STYLES.get(state, "bold")), "  ", sentence))
    if any(run["budgets"] for run in summary["runs"]):
        print_tables(budgets_table, summary["runs"], console)
    if any(run.get("assertions") for run in summary["runs"]):
        print_tables(assertions_table, summary["runs"], console)


def regressions_table(summary: Document) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(regressions.HEADINGS):
        table.add_column(heading, justify="right" if 0 < place < len(regressions.HEADINGS) - 1 else "left")
    for scale, name, figure in regressions.judged(summary):
        table.add_row(*(Text(each) for each in regressions.cells(scale, name, figure)))
    return table


def print_tables(table_of: Callable[..., Table], runs: Sequence[Document], console: Console) -> None:
    """All runs beside each other; where the terminal has no room for that one after the other, and where that is too wide, narrow."""
    one_by_one = [[table_of([run], narrow=narrow) for run in runs] for narrow in (False, True)]
    print_first_that_fits(console, [table_of(runs)], *one_by_one)


def print_first_that_fits(console: Console, *forms: Sequence[Table]) -> None:
    """The first form of which no table is folded; else the last."""
    roomy = console.options.update(width=UNBOUNDED)
    fitting = (tables for tables in forms if all(console.measure(table, options=roomy).maximum <= console.width for table in tables))
    for table in next(fitting, forms[-1]):
        console.print(table)
        console.print()


def figures_table(runs: Sequence[Document], narrow: bool = False) -> Table:
    """Intervals beside the values; ``narrow``: below their names."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for run in runs:
        table.add_column(times(run["scale"]), justify="right")
        if not narrow:
            table.add_column(Text("95 % interval", style="dim"))
    for words, name, unit in figures_of(runs):
        cells: list[Text] = [Text(words)]
        for run in runs:
            estimate = at(run, name)
            bounds = Text(beside(run, name, unit), style="dim")
            cells.append(Text(say(estimate["value"], unit)))
            if narrow and bounds:
                cells[0].append("\n").append_text(bounds)
            elif not narrow:
                cells.append(bounds)
        table.add_row(*cells)
    add_plain(table, runs, "attempts per request", lambda run: number(run["attempts_per_request"]))
    add_plain(table, runs, "deepest queue", lambda run: number(run["queue_depth"]["max"]))
    for outcome in runs[0]["outcomes"]:
        if any(run["outcomes"][outcome] for run in runs):
            add_plain(table, runs, outcome.replace("_", " "), lambda run, outcome=outcome: share_of(run, "outcomes", outcome))
    for name in dict.fromkeys(name for run in runs for name in run["refused_by"]):
        add_plain(table, runs, f"refused by: {name}", lambda run, name=name: share_of(run, "refused_by", name))
    return table


def figures_of(runs: Sequence[Document]) -> list[tuple[str, str, str]]:
    """FIGURES that the documents have: those of batches only where calls come together."""
    return [figure for figure in FIGURES if all(figure[1].partition(".")[0] in run for run in runs)]


def classes_table(runs: Sequence[Document], narrow: bool = False) -> Table:
    """What each class of requests met, the highest priority first; shown where priorities differ."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for words in ("class", "priority"):
        table.add_column(words)
    for run in runs:
        at_scale = times(run["scale"])
        for words in ("available", "P99") if narrow else ("available", "P50", "P99", "mean wait"):
            table.add_column(f"{words} {at_scale}", justify="right")
    for name, first in sorted(runs[0]["by_class"].items(), key=lambda entry: -entry[1]["priority"]):
        cells = [name, str(first["priority"])]
        for run in runs:
            own = run["by_class"][name]
            cells.append(percent(own["availability"]["value"]))
            cells += [] if narrow else [seconds(own["latency_s"]["p50"]["value"])]
            cells.append(seconds(own["latency_s"]["p99"]["value"]))
            cells += [] if narrow else [seconds(own["queue_wait_s"]["mean"]["value"])]
        table.add_row(*cells)
    return table


def beside(run: Document, name: str, unit: str) -> str:
    """What stands beside a value: its interval, and under it whose latency it is where that is not everyone's."""
    lines = interval(at(run, name), unit), survivors(run) if name in OF_SURVIVORS else ""
    return "\n".join(filter(None, lines))


def survivors(run: Document) -> str:
    """``of the 57.0 % answered``; empty when nearly everyone was, or no one."""
    availability = run["availability"]["value"]
    return f"of the {percent(availability)} answered" if availability and availability < OVERLOADED else ""


def add_plain(table: Table, runs: Sequence[Document], words: str, value: Callable[..., str]) -> None:
    """A row of values that have no interval."""
    beside_each = (len(table.columns) - 1) // len(runs) - 1
    table.add_row(words, *(cell for run in runs for cell in (value(run), *[""] * beside_each)))


def share_of(run: Document, what: str, name: str) -> str:
    """Of all requests: those that ended in one way (``outcomes``), or were refused by one limit (``refused_by``)."""
    return percent(run[what].get(name, 0) / run["requests"]) if run["requests"] else percent(None)


def budgets_table(runs: Sequence[Document], narrow: bool = False) -> Table:
    """Verdicts beside the values; ``narrow``: below them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("budget")
    for run in runs:
        table.add_column(("measured " if run["kind"] == "measurement" else "") + times(run["scale"]), justify="right")
        if not narrow:
            table.add_column("")
    for index, budget in enumerate(runs[0]["budgets"]):
        cells = [Text(budget["budget"])]
        for run in runs:
            one = run["budgets"][index]
            words = one["verdict"] + (", not sure" if one["straddles"] else "")
            value, said = Text(budget_value(one)), Text(words, style=STYLES.get(one["verdict"], ""))
            cells += [value.append("\n").append_text(said)] if narrow else [value, said]
        table.add_row(*cells)
    return table


def assertions_table(runs: Sequence[Document], narrow: bool = False) -> Table:
    """What had to be observed, and what was; ``narrow``: verdicts below."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("assertion")
    for run in runs:
        table.add_column(("measured " if run["kind"] == "measurement" else "") + times(run["scale"]), justify="right")
        if not narrow:
            table.add_column("")
    for index, assertion in enumerate(runs[0].get("assertions", ())):
        cells = [Text(assertion["assertion"])]
        for run in runs:
            one = run["assertions"][index]
            value, said = Text(one["says"]), Text(one["verdict"], style=STYLES.get(one["verdict"], ""))
            cells += [value.append("\n").append_text(said)] if narrow else [value, said]
        table.add_row(*cells)
    return table


def comparison_table(document: Document, narrow: bool = False) -> Table:
    """Prediction beside measurement; ``narrow``: below the name of the figure."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    headers = ("predicted → measured", "error") if narrow else ("", "predicted", "measured", "error")
    for place, header in enumerate(headers):
        table.add_column(header, justify="right" if place else "left", no_wrap=True)
    for words, predicted, measured, off in comparison_rows(document):
        below = " → ".join(filter(None, (predicted, measured)))
        if narrow:
            table.add_row(Text(words).append(f"\n  {below}" if below else "", style="dim"), off)
        else:
            table.add_row(words, predicted, measured, off)
    return table


def comparison_rows(document: Document) -> Iterator[tuple[str, str, str, str]]:
    """Figure, predicted, measured, error, in words. Requests that have no partners are not said to be paired."""
    for name, figure in document["comparison"].items():
        yield metric_words(name), compared(name, figure["predicted"]), compared(name, figure["measured"]), error(figure["error"])
    paired = document["paired"]
    if paired.get("why_not"):
        alike = next((check["found"] for check in document.get("checks", ()) if check["check"] == "outcome_shares"), None)
        yield "outcomes alike", "", "", percent(alike)
        return
    if document.get("past_saturation"):
        for name, share in document["outcome_shares"].items():
            yield f"share of {name}", percent(share["predicted"]["value"]), percent(share["measured"]["value"]), points(share)
    difference = paired["latency_difference_s"]
    yield "same outcome", "", f"{paired['requests']:,} paired", percent(paired["same_outcome"])
    yield "latency difference P50", "", "", seconds(difference["p50"])
    yield "|latency difference| P95", "", "", seconds(difference["p95_abs"])


def compared(name: str, estimate: Document) -> str:
    return say(estimate["value"], METRICS[name].unit if name in METRICS else "USD")


def points(share: Document) -> str:
    """Predicted − measured."""
    return f"{(share['predicted']['value'] - share['measured']['value']) * 100:+.2f} points".replace("-0.00", "+0.00")


def error(value: float | None) -> str:
    return percent(None) if value is None else f"{value * 100:+.1f} %".replace("-0.0", "+0.0")


def footnote(summary: Document) -> str:
    run = summary["runs"][0]
    return (
        f"{summary['scenario']} · seed {summary['seed']} · scenario {summary['scenario_sha256'][:12]} · "
        f"{', '.join(sized(one) for one in summary['runs'])} · {seconds(run['counted_s'])} counted after the warm-up · "
        "latencies of answered requests; costs as if this traffic went on"
    )


def sized(run: Document) -> str:
    words = "measured" if run["kind"] == "measurement" else times(run["scale"])
    return f"{words}: {run['requests']:,} requests in {run['replications']} replication{'s' * (run['replications'] != 1)}"


def at(run: Document, name: str) -> Any:
    """``latency_s.p99`` → run["latency_s"]["p99"]."""
    value: Any = run
    for key in name.split("."):
        value = value[key]
    return value
