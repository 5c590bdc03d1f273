"""A comparison says by what it was passed, and of what: pairs where there are pairs, a floor in milliseconds where that decided."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from sim.analysis.validation import Comparison, compare
from sim.data.outcomes import REJECTED
from sim.data.run import Run
from sim.formatting import metric_words
from sim.report.render import render
from sim.report.terminal import print_summary
from sim.results.results import gather
from tests.sim.synthetic_runs import rows, run_of, scenario, synthetic_run

pytestmark = pytest.mark.usefixtures("undrawn")
CLOSED = {"kind": "closed", "clients": 20, "think": {"kind": "constant", "value": "1s"}}


def shown(predicted: Run, measured: Run, width: int = 140, findings: Sequence[dict[str, str]] = ()) -> tuple[str, str, Comparison]:
    """On the terminal, in the report, and what of."""
    comparison = compare(predicted, measured, findings=findings)
    results = gather([predicted, measured], "ab" * 32, "", argv=[], comparison=comparison)
    return printed(results.summary, width), render(results), comparison


def printed(summary: dict[str, Any], width: int) -> str:
    file = io.StringIO()
    print_summary(summary, Console(file=file, width=width, highlight=False))
    return file.getvalue()


def pair_of_runs(**changes: Any) -> tuple[Run, Run]:
    return synthetic_run(**changes), synthetic_run(replications=1, kind="measurement", noise=0.01, **changes)


def test_closed_workloads_have_outcomes_alike_and_no_pairs() -> None:
    plain = scenario().workload.model_dump(mode="json", by_alias=True, exclude_none=True)
    text, page, comparison = shown(*pair_of_runs(scenario=scenario(workload=plain | {"arrivals": CLOSED})))
    assert comparison.paired.why_not
    assert re.search(r"^outcomes alike +[\d.]+ %$", text, re.MULTILINE)
    for words in ("0 paired", "same outcome", "latency difference"):
        assert words not in text
    assert "<th>outcomes alike, over all requests</th>" in page
    assert f"Not compared pair by pair: {comparison.paired.why_not}." in page
    for words in ("0 pairs", "same outcome, request by request", "compared pair by pair. Over"):
        assert words not in page


def test_others_have_pairs() -> None:
    text, page, comparison = shown(*pair_of_runs())
    assert re.search(rf"^same outcome +{comparison.paired.requests:,} paired +[\d.]+ %$", text, re.MULTILINE)
    assert f"{comparison.paired.requests:,} pairs" in page
    assert "Not compared pair by pair" not in page


def test_past_saturation_the_shares_of_outcomes_are_shown() -> None:
    turned = np.arange(2060) % 4 == 0
    made = [run_of(rows(2060, outcome=which * REJECTED), kind=kind) for which, kind in ((turned, "prediction"), (~turned, "measurement"))]
    text, page, comparison = shown(*made)
    assert comparison.past_saturation
    assert re.search(r"^share of rejected +25.0 % +75.0 % +-50\.00 points$", text, re.MULTILINE)
    assert tolerance(page, "share of rejected") == "broken ± 1.96 points"
    assert "same outcome, request by request" not in page


def beside_the_verdict(page: str) -> str:
    """The words between the verdict's sentence and the tiles."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.partition('class="sentence">')[2].partition('<section class="tiles">')[0]).split())


def test_findings_stand_beside_the_verdict() -> None:
    queue = {"kind": "behaves differently", "says": "the scenario says 2 calls at once; the mocks saw <5>"}
    text, page, _ = shown(*pair_of_runs(), findings=[queue])
    assert f"{queue['kind']}: {queue['says']}" in text
    assert (
        "What the measurement shows behaves differently : the scenario says 2 calls at once; the mocks saw &lt;5&gt;"
        in beside_the_verdict(page)
    )
    _, page, comparison = shown(synthetic_run(), synthetic_run(replications=1, kind="measurement", noise=0.5))
    assert comparison.verdict == "fail"
    assert "Where prediction and measurement part model wrong : latency_s.p50: " in beside_the_verdict(page)
    assert "What the measurement shows" not in shown(*pair_of_runs())[1]


def tolerance(page: str, words: str) -> str:
    row = re.search(rf">{words}</th>.*?</tr>", page, re.DOTALL)
    assert row is not None
    return " ".join(re.sub(r"<[^>]*>", " ", row[0].partition('class="tolerance">')[2]).split())


def test_the_report_says_which_tolerance_a_latency_passed_by() -> None:
    fast = np.full(1060, 0.010)
    made = [
        run_of(rows(1060, latency_s=fast + late_s, cost_usd=0.01), kind=kind)
        for late_s, kind in ((0, "prediction"), (0.004, "measurement"))
    ]
    _, page, _ = shown(*made)
    assert tolerance(page, "latency P50") == "ok within 5 ms"
    assert tolerance(page, "cost") == "ok ± 2 %"


@pytest.fixture(scope="module")
def compared() -> tuple[dict[str, Any], Comparison]:
    """The summary of two runs, and what of it is compared."""
    runs = pair_of_runs()
    comparison = compare(*runs)
    return gather(runs, "ab" * 32, "", argv=[], comparison=comparison).summary, comparison


@pytest.mark.parametrize("width", [38, 45, 59])
def test_a_narrow_terminal_shows_every_figure_of_a_comparison_whole(compared: tuple[dict[str, Any], Comparison], width: int) -> None:
    summary, comparison = compared
    lines = [line.rstrip() for line in printed(summary, width).splitlines()]
    assert max(map(len, lines)) <= width
    for name, figure in comparison.figures.items():
        place = next(number for number, line in enumerate(lines) if line.startswith(metric_words(name) + " "))
        told = lines[place].removeprefix(metric_words(name)) if width == 59 else lines[place].split("  ")[-1] + lines[place + 1]
        assert f"{(figure.error or 0) * 100:+.1f} %".replace("-0.0", "+0.0") in told
        assert "→" in told or width == 59
