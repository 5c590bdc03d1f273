"""Little room costs no figure: narrow terminals, narrow windows, and what an invalid measurement must not look like."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from sim.analysis.summary import summarize
from sim.analysis.validation import compare
from sim.report.render import render
from sim.report.terminal import figures_of, print_summary
from sim.results.results import gather
from tests.sim.synthetic_runs import synthetic_run

pytestmark = pytest.mark.usefixtures("undrawn")
SHA = "ab" * 32


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    return summarize([synthetic_run(scale) for scale in (1, 10, 100)], SHA)


@pytest.mark.parametrize("width", [38, 80])
def test_a_narrow_terminal_shows_one_scale_after_the_other_with_every_row_whole(summary: dict[str, Any], width: int) -> None:
    file = io.StringIO()
    print_summary(summary, Console(file=file, width=width, highlight=False))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for words, _, unit in figures_of(summary["runs"]):
        value = {"s": r"\S+ m?s", "share": r"\S+ %", "USD": r"\$\S+"}[unit]
        beside = "" if width == 38 else rf"(  ({value} … {value}|of the \S+ % answered))?"
        assert sum(re.fullmatch(rf"{words} +{value}{beside}", line.rstrip()) is not None for line in lines) == 3, words
    assert sum(line.startswith("budget  ") for line in lines) == 3


def measured(why_invalid: tuple[str, ...]) -> str:
    runs = [synthetic_run(), synthetic_run(replications=1, kind="measurement", noise=0.02)]
    return render(gather(runs, SHA, "", argv=[], comparison=compare(*runs, why_invalid=why_invalid)))


def test_an_invalid_measurement_has_no_coloured_verdicts() -> None:
    def badges(page: str, part: str) -> list[str]:
        section = next(one for one in re.findall(r"<section>.*?</section>", page, re.DOTALL) if f"<h2>{part}</h2>" in one)
        return re.findall(r'class="badge (\w+)"', section)

    valid, invalid = measured(()), measured(("the CPU was starved",))
    assert set(badges(valid, "Prediction beside measurement")) == {"ok"}
    assert set(badges(invalid, "Prediction beside measurement")) == {"void"}
    assert [badge == "void" for badge in badges(invalid, "Budgets")] == [False, True, False] * 4
    assert "void" not in badges(valid, "Budgets")


def test_the_tolerance_goes_below_the_error_in_a_narrow_window() -> None:
    page = measured(())
    assert page.count('<td class="tolerance">') == page.count('<tr class="strong">') + page.count('<td class="tolerance"></td>')
    assert re.search(r"@media \(max-width: 560px\) \{[^@]*\.compared \.tolerance \{ grid-column", page)
