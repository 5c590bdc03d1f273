"""What continuous integration reads says what held and what did not."""

from xml.etree import ElementTree as Xml

import pytest

from sim.analysis.summary import summarize
from sim.report.ci import gate_holds, junit_xml, markdown
from tests.sim.golden import matches_golden_text
from tests.sim.synthetic_runs import rows, run_of, scenario, synthetic_run

SHA = "ab" * 32
NONE_REFUSED = {"refused": 0, "refused_share": 0.0, "refused_of": "requests"}


def test_junit_has_a_case_for_every_budget_at_every_scale() -> None:
    root = Xml.fromstring(junit_xml(summarize([synthetic_run(1), synthetic_run(10)], SHA)))
    assert [(suite.get("tests"), suite.get("failures")) for suite in root] == [("4", "1"), ("4", "2")]
    failure = root.find(".//testcase[@name='served > 99.5%']/failure")
    assert failure is not None
    assert failure.get("message") == ("served > 99.5%: 99.45 % (99.25 % … 99.64 %), the 95 % interval reaches over the limit")


def test_markdown_is_as_it_was() -> None:
    matches_golden_text(markdown(summarize([synthetic_run(1), synthetic_run(10)], SHA)), "check.md")


@pytest.mark.parametrize(
    ("budgets", "n", "holds"),
    [(["latency.p99 < 8s"], 600, True), (["latency.p99 < 0.5s"], 600, False), (["latency.p99 < 8s"], 100, False), ([], 600, True)],
    ids=["holds", "broken", "too few samples", "no budgets"],
)
def test_the_gate_holds_only_when_every_budget_was_shown_to(budgets: list[str], n: int, holds: bool) -> None:
    assert gate_holds(summarize([run_of(rows(n), scenario=scenario(budgets=budgets))], SHA)) is holds


def test_texts_that_are_markup_stay_texts() -> None:
    hostile = run_of(rows(600), usage=[{"limit": "<b>a|b</b>\x00", "capacity": 1, "unit": "u", "demand": 2, "load": 2.0} | NONE_REFUSED])
    summary = summarize([hostile], SHA)
    summary["scenario"] = "<script>\x01"
    assert "<script>" not in markdown(summary)
    assert "a\\|b" in markdown(summary)
    assert "<script>" in str(Xml.fromstring(junit_xml(summary))[0].get("name"))
