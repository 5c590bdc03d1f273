"""What people read: figures with sensible digits, the verdict in one sentence, the table of a run."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from sim.analysis.summary import summarize
from sim.analysis.validation import compare
from sim.formatting import dollars, interval, listed, number, percent, seconds
from sim.report.terminal import console_of, print_summary
from sim.report.verdicts import imprecise, verdict
from tests.sim.golden import matches_golden_text
from tests.sim.synthetic_runs import rows, run_of, scenario, synthetic_run

SHA = "ab" * 32


@pytest.mark.parametrize(
    ("say", "value", "text"),
    [
        (seconds, None, "–"), (seconds, 0, "0 s"), (seconds, 0.00042, "0.42 ms"), (seconds, 0.25, "250 ms"), (seconds, 1.894, "1.89 s"),
        (seconds, 0.9999, "1.00 s"), (seconds, 23.03, "23.0 s"), (seconds, 540, "540 s"), (seconds, 3600, "1 h 0 m"),
        (seconds, 615, "10 m 15 s"), (seconds, -0.5, "-500 ms"),
        (percent, None, "–"), (percent, 1, "100 %"), (percent, 0, "0 %"), (percent, 0.995, "99.50 %"), (percent, 0.99995, "99.995 %"),
        (percent, 0.25, "25.0 %"), (percent, 0.0004, "0.040 %"), (percent, 1e-6, "< 0.001 %"),
        (percent, 1 - 1e-6, "> 99.999 %"),
        (dollars, 0, "$0"), (dollars, 0.00036, "$0.00036"), (dollars, 0.0000123, "$0.000012"), (dollars, 1.239, "$1.24"),
        (dollars, 12_600, "$12,600"), (number, 5, "5"), (number, 1.0567, "1.06"), (number, 12_345.6, "12,346"),
    ],
)  # fmt: skip
def test_figures_as_people_read_them(say: Callable[[Any], str], value: float | None, text: str) -> None:
    assert say(value) == text


def test_an_interval_that_does_not_show_is_left_out() -> None:
    assert interval({"value": 1, "low": 0.9, "high": 1.1}, "s") == "900 ms … 1.10 s"
    assert interval({"value": 1, "low": 1.0, "high": 1.00001}, "s") == ""
    assert interval({"value": 1, "low": None, "high": None}, "s") == ""


@pytest.mark.parametrize(("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_lists_read_as_sentences(words: list[str], text: str) -> None:
    assert listed(words) == text


def test_the_verdict_says_what_holds_and_what_breaks_first() -> None:
    assert verdict(summarize([synthetic_run(1), synthetic_run(10)], SHA)) == (
        "fail",
        "At 1x this breaks: served > 99.5% (99.45 %); at 10x: served > 99.5% (99.05 %) and 1 more.",
    )
    lenient = scenario(budgets=["latency.p99 < 30s"])
    assert verdict(summarize([synthetic_run(1, scenario=lenient)], SHA)) == ("pass", "Every budget holds at 1x.")
    assert verdict(summarize([run_of(rows(100), scenario=lenient)], SHA)) == ("unknown", "Too few samples at 1x for latency.p99 < 30s.")
    silent = scenario(budgets=[])
    assert verdict(summarize([run_of(rows(600), scenario=silent)], SHA)) == (
        "unknown",
        "No budgets to hold it to. At 1x: P50 1.00 s, P99 1.00 s, 100 % available.",
    )


@pytest.mark.parametrize(("noise", "why", "start"), [
    (0.0, (), "The prediction holds: P50 off by 0.0 % (at most 5 %), P99 off by 0.0 % (at most 10 %), cost off by 0.0 %"),
    (1.0, (), "Prediction and measurement disagree: P50 off by"),
    (0.0, ("the CPU was starved",), "The measurement is invalid, so it says nothing: the CPU was starved."),
])  # fmt: skip
def test_the_verdict_of_a_measurement(noise: float, why: tuple[str, ...], start: str) -> None:
    runs = synthetic_run(), synthetic_run(replications=1, kind="measurement", noise=noise)
    comparison = compare(*runs, why_invalid=why)
    state, sentence = verdict(summarize(runs, SHA) | {"verify": comparison.as_dict()})
    assert state == comparison.verdict
    assert sentence.startswith(start)


def test_the_table_is_as_it_was() -> None:
    matches_golden_text(printed([synthetic_run(1), synthetic_run(10)]), "predict.txt")


def test_where_a_budget_is_broken_it_says_which_verb_gates() -> None:
    gates = "`tenfold check` exits 3 where a budget is broken"
    assert gates in printed([synthetic_run(1, scenario=scenario(budgets=["latency.p99 < 1s"]))])
    assert gates not in printed([synthetic_run(1, scenario=scenario(budgets=["latency.p99 < 30s"]))])


def test_a_figure_that_is_not_precise_yet_is_named() -> None:
    wide = {"value": 10.0, "low": 8.5, "high": 11.5}
    sharp = {"value": 10.0, "low": 9.5, "high": 10.5}
    unknown = {"value": 10.0, "low": None, "high": None}
    run = {"kind": "prediction", "scale": 10, "latency_s": {"mean": sharp, "p50": unknown, "p99": wide}, "cost_usd": {"per_month": wide}}
    assert (
        imprecise([run])
        == "not precise yet: latency P99 at 10x ± 15 % and cost per month at 10x ± 15 %; more replications would narrow that"
    )
    assert imprecise([run | {"latency_s": dict.fromkeys(("mean", "p50", "p99"), sharp), "cost_usd": {"per_month": unknown}}]) == ""


def test_what_is_not_a_terminal_gets_no_colour() -> None:
    assert "\x1b" not in printed([synthetic_run(1)])


def test_no_color_is_honoured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    print_summary(summarize([synthetic_run(1)], SHA), Console(file=file, force_terminal=True, highlight=False))
    assert "\x1b[3" not in file.getvalue()


def test_names_are_printed_as_they_are() -> None:
    none_refused = {"refused": 0, "refused_share": 0.0, "refused_of": "requests"}
    hostile = run_of(rows(600), usage=[{"limit": "[red]x[/red]", "capacity": 1, "unit": "u", "demand": 2, "load": 2.0} | none_refused])
    assert "[red]x[/red] binds" in printed([hostile])


def printed(runs: list[Any]) -> str:
    file = io.StringIO()
    print_summary(summarize(runs, SHA), console_of(file))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def test_classes_are_shown_where_their_priorities_differ() -> None:
    run = synthetic_run(1)
    assert "priority" not in printed([run])
    first, *rest = run.scenario.workload.requests
    classes = (first.model_copy(update={"priority": 5}), *rest)
    workload = run.scenario.workload.model_copy(update={"requests": classes})
    text = printed([replace(run, scenario=run.scenario.model_copy(update={"workload": workload}))])
    lines = text.splitlines()
    header = next(index for index, line in enumerate(lines) if line.startswith("class"))
    assert "mean wait 1x" in lines[header]
    assert lines[header + 1].split()[:2] == [first.name, "5"]
