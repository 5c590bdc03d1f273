"""Verdicts on budgets as continuous integration reads them: JUnit XML and Markdown, from a summary document."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from sim.formatting import Document, dollars, percent, seconds, times
from sim.report.verdicts import budget_value, interval_of_budget, verdict

MARKS = {"ok": "✅", "broken": "❌", "insufficient": "❔"}
NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def gate_holds(summary: Document) -> bool:
    """Every assertion and every budget of every run was shown to hold; of a scenario that is expected to fail, a budget of every run to be
    broken. What the samples cannot say anything about was not shown.
    """
    if not all(assertion["ok"] is True for run in summary["runs"] for assertion in run.get("assertions", ())):
        return False
    if summary.get("expected") == "fails":
        return all(any(budget["ok"] is False for budget in run["budgets"]) for run in summary["runs"])
    return all(budget["ok"] is True for run in summary["runs"] for budget in run["budgets"])


def junit_xml(summary: Document) -> str:
    """One test suite per scale, one test case per budget and per assertion."""
    root = Xml.Element("testsuites", name="tenfold")
    for run in summary["runs"]:
        budgets, assertions = run["budgets"], run.get("assertions", [])
        meant = summary.get("expected") == "fails" and any(budget["ok"] is False for budget in budgets)
        failures = [budget for budget in budgets if budget["ok"] is not True and not meant]
        unseen = [assertion for assertion in assertions if assertion["ok"] is not True]
        name = f"{summary['scenario']} at {times(run['scale'])}"
        counts = {"tests": str(len(budgets) + len(assertions)), "failures": str(len(failures) + len(unseen)), "errors": "0", "skipped": "0"}
        suite = Xml.SubElement(root, "testsuite", {"name": printable(name), "time": f"{run['wall_s']:.3f}", **counts})
        for budget in budgets:
            case = Xml.SubElement(suite, "testcase", classname=printable(name), name=printable(budget["budget"]), time="0")
            if budget in failures:
                said = printable(said_of(budget))
                Xml.SubElement(case, "failure", type=budget["verdict"], message=said).text = said
        for assertion in assertions:
            case = Xml.SubElement(suite, "testcase", classname=printable(name), name=printable(assertion["assertion"]), time="0")
            if assertion in unseen:
                said = printable(f"{assertion['assertion']}: {assertion['says']}")
                Xml.SubElement(case, "failure", type=assertion["verdict"], message=said).text = said
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def markdown(summary: Document) -> str:
    """A table of budgets by scale, with the figures behind them."""
    state, sentence = verdict(summary)
    runs = summary["runs"]
    mark = {"pass": "ok", "fail": "broken"}.get(state, "insufficient")
    lines = [f"### {MARKS[mark]} {cell(summary['scenario'])}", "", cell(sentence), ""]
    lines += table(["budget", *(times(run["scale"]) for run in runs)])
    for index, budget in enumerate(runs[0]["budgets"]):
        marked = [f"{MARKS[run['budgets'][index]['verdict']]} {said_of(run['budgets'][index], False)}" for run in runs]
        lines.append(row([budget["budget"], *marked]))
    for index, assertion in enumerate(runs[0].get("assertions", ())):
        seen = [run["assertions"][index] for run in runs]
        lines.append(row([assertion["assertion"], *(f"{MARKS[one['verdict']]} {one['says']}" for one in seen)]))
    lines += ["", *table(["", *(times(run["scale"]) for run in runs)])]
    for words, value in (
        ("latency P50", lambda run: seconds(run["latency_s"]["p50"]["value"])),
        ("latency P99", lambda run: seconds(run["latency_s"]["p99"]["value"])),
        ("available", lambda run: percent(run["availability"]["value"])),
        ("served", lambda run: percent(run["served"]["value"])),
        ("cost a month", lambda run: dollars(run["cost_usd"]["per_month"]["value"])),
        ("bottleneck", lambda run: run["binding"]),
    ):
        lines.append(row([words, *(value(run) for run in runs)]))
    lines += ["", f"Scenario `{summary['scenario_sha256'][:12]}`, seed {summary['seed']}, {runs[0]['replications']} replications."]
    return "\n".join(lines) + "\n"


def said_of(budget: Document, with_budget: bool = True) -> str:
    """``latency.p99 < 8s: 9.12 s (8.9 s … 9.3 s), the 95 % interval reaches over the limit``."""
    bounds = interval_of_budget(budget)
    parts = [budget_value(budget) + (f" ({bounds})" if bounds else ""), *([budget["says"]] if budget["says"] else [])]
    return (f"{budget['budget']}: " if with_budget else "") + ", ".join(parts)


def table(headings: list[str]) -> list[str]:
    return [row(headings), "|" + " --- |" * len(headings)]


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cell(one) for one in cells) + " |"


def cell(text: str) -> str:
    """Text that stays within its cell and is not taken for HTML."""
    return text.replace("|", "\\|").replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")


def printable(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return NOT_IN_XML.sub("?", text)
