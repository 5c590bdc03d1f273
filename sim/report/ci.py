"""Verdicts on budgets, and on a baseline, as continuous integration reads them: JUnit XML, Markdown and GitHub's annotations, from a
summary document.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from sim.formatting import Document, dollars, percent, seconds, times
from sim.report import regressions
from sim.report.verdicts import budget_value, interval_of_budget, verdict

MARKS = {"ok": "✅", "broken": "❌", "insufficient": "❔"}
NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def gate_holds(summary: Document) -> bool:
    """Every assertion and every budget of every run was shown to hold; of a scenario that is expected to fail, a budget of every run to be
    broken. What the samples cannot say anything about was not shown. Nothing was shown to be worse than the baseline, if there is one.
    """
    if regressions.regressed(summary) or not all(
        assertion["ok"] is True for run in summary["runs"] for assertion in run.get("assertions", ())
    ):
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
    add_baseline_suite(root, summary)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def add_baseline_suite(root: Xml.Element, summary: Document) -> None:
    """One more suite, with a test case for every figure compared with the baseline; what is inconclusive is skipped."""
    found = list(regressions.judged(summary))
    if not found:
        return
    worse = sum(figure["verdict"] == "regression" for _, _, figure in found)
    unsure = sum(figure["verdict"] in ("inconclusive", "insufficient") for _, _, figure in found)
    name = printable(f"{summary['scenario']} against its baseline")
    counts = {"tests": str(len(found)), "failures": str(worse), "errors": "0", "skipped": str(unsure), "time": "0"}
    suite = Xml.SubElement(root, "testsuite", {"name": name, **counts})
    for scale, metric, figure in found:
        case = Xml.SubElement(suite, "testcase", classname=name, name=f"{metric} at {times(scale)}", time="0")
        said = printable(regressions.said(scale, metric, figure))
        if figure["verdict"] == "regression":
            Xml.SubElement(case, "failure", type="regression", message=said).text = said
        elif figure["verdict"] != "ok":
            Xml.SubElement(case, "skipped", message=f"{figure['verdict']}: {said}")


MOST_ANNOTATIONS = 10
"""That GitHub shows of one step."""


def workflow_commands(summary: Document, path: str) -> list[str]:
    """GitHub's workflow commands: an error for everything that fails the gate, a warning for what is inconclusive. ``path``: the file that
    they are shown at.
    """
    found = [
        ("error", "Worse than the baseline", regressions.said(*one))
        for one in regressions.judged(summary)
        if verdict_of(one) == "regression"
    ]
    meant = summary.get("expected") == "fails"
    for run in summary["runs"]:
        if meant and not any(budget["ok"] is False for budget in run["budgets"]):
            found.append(("error", f"Expected to break a budget at {times(run['scale'])}", "every budget holds"))
        broken = [] if meant else [budget for budget in run["budgets"] if budget["ok"] is not True]
        found += [("error", f"Budget at {times(run['scale'])}", said_of(budget)) for budget in broken]
        unseen = [one for one in run.get("assertions", ()) if one["ok"] is not True]
        found += [("error", f"Assertion at {times(run['scale'])}", f"{one['assertion']}: {one['says']}") for one in unseen]
    unsure = [one for one in regressions.judged(summary) if verdict_of(one) in ("inconclusive", "insufficient")]
    found += [("warning", verdict_of(one).capitalize(), regressions.said(*one)) for one in unsure]
    return [
        f"::{level} file={escaped(path, True)},title={escaped(title, True)}::{escaped(said)}"
        for level, title, said in found[:MOST_ANNOTATIONS]
    ]


def verdict_of(one: tuple[float, str, Document]) -> str:
    return str(one[2]["verdict"])


def escaped(text: str, is_property: bool = False) -> str:
    """As GitHub's toolkit escapes the data and properties of workflow commands (actions/toolkit, core/src/command.ts)."""
    for plain, coded in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), *(((":", "%3A"), (",", "%2C")) if is_property else ())):
        text = text.replace(plain, coded)
    return text


def markdown(summary: Document) -> str:
    """A table of budgets by scale, with the figures behind them."""
    state, sentence = verdict(summary)
    runs = summary["runs"]
    worse = regressions.sentence(summary)
    mark = "broken" if regressions.regressed(summary) else {"pass": "ok", "fail": "broken"}.get(state, "insufficient")
    lines = [f"### {MARKS[mark]} {cell(summary['scenario'])}", "", cell(" ".join(filter(None, [worse, sentence]))), ""]
    if worse:
        lines += table(list(regressions.HEADINGS))
        for scale, name, figure in regressions.judged(summary):
            *figures, found = regressions.cells(scale, name, figure)
            lines.append(row([*figures, f"{regressions.MARKS[found]} {found}"]))
        lines.append("")
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
