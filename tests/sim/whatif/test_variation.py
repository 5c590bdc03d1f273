"""What is varied, and the configurations that come of it."""

from __future__ import annotations

import pytest

from sim.whatif.variation import Knob, Listed, Span, VariationError, as_words, grid, grid_size, parse_knob, parse_knobs, sample


def test_values_are_parted_at_commas_outside_brackets_and_quotes() -> None:
    knob = parse_knob('gateway.cache=null, [{kind: exact, ttl: 1m}], "a,b"')
    assert knob == Knob("gateway.cache", Listed(("null", "[{kind: exact, ttl: 1m}]", '"a,b"')))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("a=1..9", Span(1, 9, "", whole=True)),
        ("a=1s..20s", Span(1, 20, "s", whole=True)),
        ("a=250ms .. 900ms", Span(250, 900, "ms", whole=True)),
        ("a=5..50/s", Span(5, 50, "/s", whole=True)),
        ("a=0.1..0.5", Span(0.1, 0.5, "", whole=False)),
    ],
)
def test_a_range_has_two_ends_and_one_unit(text: str, span: Span) -> None:
    assert parse_knob(text).values == span


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.b", "expected path.to.key=a,b,c or path.to.key=lo..hi, found 'a.b'"),
        ("=1,2", "expected path.to.key"),
        ("a=", "expected path.to.key"),
        ("a=1,,2", "a value is missing in '1,,2'"),
        ("a=1,2,1", "a: 1 stands there twice"),
        ("a=9..1", "expected a range that begins with its lower end, found 9..1"),
        ("a=1s..2m", "give both ends of a range in one unit, found 1s and 2m"),
        ("seed=1,2", "the seed cannot be varied"),
    ],
)
def test_what_cannot_be_varied_is_said(text: str, says: str) -> None:
    with pytest.raises(VariationError, match=says.replace(".", r"\.").replace("(", r"\(")):
        parse_knob(text)


def test_a_path_is_varied_once() -> None:
    with pytest.raises(VariationError, match="a is varied twice"):
        parse_knobs(["a=1,2", "a=3,4"])


def test_a_grid_holds_every_combination() -> None:
    knobs = parse_knobs(["a=1..3", "b=x,y"])
    assert grid_size(knobs) == 6
    assert [as_words(settings) for settings in grid(knobs)] == ["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y", "a=3 b=x", "a=3 b=y"]


def test_a_range_of_fractions_has_no_grid() -> None:
    with pytest.raises(VariationError, match="no end of values"):
        grid(parse_knobs(["a=0.1..0.5"]))


def test_a_latin_hypercube_covers_every_range_evenly() -> None:
    drawn = sample(parse_knobs(["a=1..10", "b=0.0..1.0", "c=x,y"]), 10, seed=7)
    assert sorted(int(dict(each)["a"]) for each in drawn) == list(range(1, 11))
    assert sorted(int(float(dict(each)["b"]) * 10) for each in drawn) == list(range(10))
    assert sorted(dict(each)["c"] for each in drawn) == ["x"] * 5 + ["y"] * 5
    assert drawn == sample(parse_knobs(["a=1..10", "b=0.0..1.0", "c=x,y"]), 10, seed=7)
