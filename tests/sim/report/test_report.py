"""The report is one page that needs nothing else, says the same as the summary, and takes no text for markup."""

import html
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from sim.analysis.validation import compare
from sim.data.outcomes import ERROR, NAMES
from sim.data.run import Run
from sim.gateway.rows import PARTS
from sim.report import charts
from sim.report.colors import SERIES, outcome_roles, part_roles, roles
from sim.report.panels import Shown, shown_runs
from sim.report.render import render
from sim.report.svg import COLOR, chart
from sim.report.verdicts import verdict
from sim.results.results import gather
from tests.sim.golden import matches_golden_text
from tests.sim.synthetic_runs import rows, run_of, scenario, synthetic_run

SHA = "ab" * 32
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}$\\frac{1}{0}$ ]]> &amp;'
VOID = {"meta", "link", "br", "img", "hr", "input"}
CERTIFICATE = {"send_lag_s": {"p50": 0.0002, "p99": 0.0031}, "cpu": 0.3, "mocks": {"openai": {"lateness_s": {"p99": 0.002}}}}


class Page(HTMLParser):
    """Elements, attributes, text; and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open) and data.strip():
            self.texts.append(" ".join(data.split()))

    def all(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.elements if attribute in attributes]


def page_of(runs: Sequence[Run], measured: bool = False, **more: Any) -> str:
    if measured:
        more["comparison"] = compare(runs[0], runs[1], certificate=CERTIFICATE, why_invalid=more.pop("why_invalid", ()))
    return render(gather(runs, SHA, "tenfold: 1\n", argv=["tenfold", "predict", "a b.yaml"], now=NOW, **more))


def pair_of_runs(**changes: Any) -> list[Run]:
    return [synthetic_run(**changes), synthetic_run(replications=1, kind="measurement", noise=0.02, **changes)]


def shown_of(run: Run) -> list[Shown]:
    return shown_runs(gather([run], SHA, "", argv=[]))


PAGES: dict[str, Callable[[], str]] = {
    "prediction": lambda: page_of([synthetic_run(1)]),
    "three scales": lambda: page_of([synthetic_run(1), synthetic_run(10), synthetic_run(100, replications=1)]),
    "measurement": lambda: page_of([synthetic_run(replications=1, kind="measurement")]),
    "both": lambda: page_of(pair_of_runs(), measured=True),
    "nothing arrived": lambda: page_of([run_of(rows(0))]),
    "nothing served": lambda: page_of([run_of(rows(600, outcome=ERROR, ttft_s=np.nan, cost_usd=np.nan))]),
    "one request": lambda: page_of([run_of(rows(1, arrival_s=100.0))]),
    "no budgets, no faults": lambda: page_of([synthetic_run(1, scenario=scenario(budgets=[], faults=[]))]),
}
PAGES = {name: cache(made) for name, made in PAGES.items()}


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_a_page_is_whole_and_asks_for_nothing_else(made: Any) -> None:
    text = made()
    page = Page(text)
    assert page.open == []
    assert not {tag for tag, _ in page.elements} & {"link", "img", "iframe", "object", "base", "form", "audio", "video"}
    assert page.all("src") == []
    assert all(target.startswith("#") for attribute in ("href", "xlink:href") for target in page.all(attribute))
    assert all(address == "http://www.w3.org/" for address in re.findall(r"https?://[^/]*/", text))
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert not re.search(r"\b(nan|None|Undefined)\b", " ".join(page.texts))


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_ids_are_unique_and_every_reference_is_there(made: Any) -> None:
    text = made()
    page = Page(text)
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", text)) | {one[1:] for one in page.all("xlink:href")} <= set(ids)


def test_drawings_take_their_colours_from_the_page() -> None:
    text = PAGES["both"]()
    declared = set(re.findall(r"(--[\w-]+):", text))
    assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= declared
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) >= 9
    assert not [color for drawing in drawings for color in re.findall(r"#[0-9a-f]{6}\b", drawing)]


def test_a_new_outcome_or_part_takes_a_free_colour() -> None:
    known = {"ok": "ok", "late": "series-0"}
    found = roles(["ok", "late", "new", "newer"], known)
    assert found == {"ok": "ok", "late": "series-0", "new": "series-1", "newer": "series-2"}
    assert set(roles([str(number) for number in range(30)], known).values()) == set(SERIES) - {"series-0"}, "over and over"
    assert set(outcome_roles()) == set(NAMES.values())
    assert set(part_roles()) == {*PARTS.values(), "other"}


def test_what_refused_is_listed_by_name() -> None:
    assert "queue (requests)" in Page(PAGES["three scales"]()).texts


@pytest.mark.usefixtures("undrawn")
def test_the_verdict_comes_first() -> None:
    runs = [synthetic_run(1), synthetic_run(10)]
    page = Page(page_of(runs))
    _, sentence = verdict(gather(runs, SHA, "", argv=[]).summary)
    assert any(text.startswith(sentence) for text in page.texts[:8])


@pytest.mark.usefixtures("undrawn")
def test_an_invalid_measurement_says_why() -> None:
    page = Page(page_of(pair_of_runs(), measured=True, why_invalid=["the CPU was starved <b>"]))
    assert "the CPU was starved <b>" in page.texts


def test_hostile_texts_stay_texts() -> None:
    plain = scenario().model_dump(by_alias=True, mode="json", exclude_none=True)
    hostile = scenario(**plain | {"description": HOSTILE})
    runs = [synthetic_run(1, scenario=hostile), synthetic_run(1, replications=1, kind="measurement", scenario=hostile)]
    for run in runs:
        run.usage[0]["limit"] = HOSTILE
    results = gather(runs, SHA, HOSTILE, argv=["tenfold", HOSTILE], comparison=compare(*runs, certificate={HOSTILE: HOSTILE}))
    page = Page(render(results))
    assert page.open == []
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert page.all("onerror") == []
    shown = " ".join(HOSTILE.split())
    assert page.texts.count(shown) >= 3
    assert not any("49" in text and "alert" in text for text in page.texts)


def test_hostile_words_in_a_drawing_stay_words() -> None:
    with chart("a", HOSTILE) as drawing:
        drawing.axes.plot([0, 1], [0, 1], label=HOSTILE, color=COLOR["series-0"])
        drawing.legend()
    page = Page(drawing.svg)
    assert "script" not in {tag for tag, _ in page.elements}
    assert any(HOSTILE in text for text in page.texts)
    assert page.elements[0][1]["aria-label"] == HOSTILE


def test_the_page_offers_the_command_to_do_it_again() -> None:
    page = Page(PAGES["prediction"]())
    assert "tenfold predict 'a b.yaml'" in page.texts


def test_drawings_are_the_same_every_time() -> None:
    shown = shown_of(synthetic_run(1))
    assert charts.percentile_curve(shown) == charts.percentile_curve(shown)


def test_the_percentile_curve_ends_where_samples_end() -> None:
    assert "P99.9<" not in charts.percentile_curve(shown_of(run_of(rows(600))))
    assert "P99<" in charts.percentile_curve(shown_of(run_of(rows(660))))


def test_the_words_of_the_report_are_as_they_were() -> None:
    text = re.sub(r"<svg.*?</svg>|<dl class=\"facts\">.*?</dl>", "", PAGES["both"](), flags=re.DOTALL)
    matches_golden_text("\n".join(map(html.unescape, Page(text).texts)) + "\n", "report.txt")


def test_a_measurement_stands_beside_the_prediction_of_the_same_luck() -> None:
    runs = pair_of_runs()
    shown = shown_runs(gather(runs, SHA, "", argv=[], comparison=compare(*runs)))
    assert [one.name for one in shown] == ["predicted", "measured", "any luck"]
    assert len(shown[0].run.requests) == len(shown[1].run.requests)
    assert shown[2].run is runs[0]
    alone = shown_runs(gather(runs[1:], SHA, "", argv=[]))
    assert [one.name for one in alone] == ["measured"]
