"""The guide's lines beside the model: verdicts, savings of one traffic, and the traffic at which a range would hold."""

from __future__ import annotations

import pytest

from sim.analysis.estimators import Estimate
from sim.engine.runner import predict
from sim.gateway.language import load
from sim.guide.cases import Cases
from sim.guide.levers import ANSWERS, REPEATS, SIMPLE, TURNS, Lever, solve
from sim.guide.lines import LINES, Line
from sim.guide.tables import at_place, row, verdict


@pytest.fixture(scope="module")
def cases() -> Cases:
    def shortened(name: str, changes: object = ()) -> object:
        return load(f"guide/{name}", [*changes, "workload.duration=90m"])  # type: ignore[misc]

    return Cases(shortened, lambda loaded, scale: predict(loaded.scenario, scale, 2))  # type: ignore[arg-type]


def line(words: str) -> Line:
    return next(each for each in LINES if each.words == words)


@pytest.mark.parametrize(
    ("value", "low", "high", "says"),
    [
        (0.65, 0.6, 0.7, "within"),
        (0.75, 0.74, 0.76, "above"),
        (0.71, 0.68, 0.74, "above, not surely"),
        (0.5, 0.45, 0.55, "below"),
        (None, None, None, "not known"),
    ],
)
def test_a_verdict_says_on_which_side_and_how_surely(value: float | None, low: float | None, high: float | None, says: str) -> None:
    assert verdict(Estimate(value, low, high), line("Model tiering")) == says


def test_all_scenarios_of_a_table_have_one_traffic() -> None:
    """Before and after differ in the gateway and its providers alone: nothing is gained by asking other questions."""
    for each in LINES:
        if each.before:
            assert load(f"guide/{each.before}").scenario.workload == load(f"guide/{each.scenario}").scenario.workload


def test_where_the_guide_holds_nothing_is_explained(cases: Cases) -> None:
    found = row(line("Monthly API cost with optimization"), cases, cases)
    assert found["verdict"] == "within"
    assert found["because"] is None
    assert found["would_hold"] == []


def test_where_it_does_not_the_reason_has_numbers_and_a_place_where_it_would(cases: Cases) -> None:
    prompt_caching = line("Prompt caching")
    found = row(prompt_caching, cases, cases)
    assert found["verdict"] == "below"
    assert found["because"]
    (place,) = found["would_hold"]
    assert REPEATS.today < place["place"] < REPEATS.high
    assert at_place(prompt_caching, REPEATS, place["place"], cases) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("lever", [ANSWERS, REPEATS, SIMPLE, TURNS], ids=lambda lever: lever.name)
def test_a_lever_at_its_place_of_today_changes_nothing(lever: Lever, cases: Cases) -> None:
    tiering = line("Model tiering")
    assert at_place(tiering, lever, lever.today, cases) == pytest.approx(tiering.estimate(cases).value)


def test_what_no_place_reaches_is_said() -> None:
    found = solve(lambda at: at, 100.0, TURNS)
    assert found.place is None
    assert found.at_ends == (TURNS.low, TURNS.high)
