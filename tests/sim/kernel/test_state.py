"""States: one declaration, an object in Python and a record in compiled code."""

from __future__ import annotations

from dataclasses import fields
from math import isnan, nan

import pytest

from sim.kernel.state import Short, Wide, dtype_of, kind_of, merge, records_of, state


@state
class Inner:
    count: int = 3
    share: float = 0.5


@state
class Outer:
    is_open: bool = True
    first: Inner
    second: Inner
    late_s: float = nan


@state
class Other:
    late_s: float = 0.0


@state
class Apart:
    number: int = 7


def test_it_has_slots_and_nothing_else():
    outer = Outer()
    assert not hasattr(outer, "__dict__")
    with pytest.raises(AttributeError):
        outer.unheard_of = 1


def test_a_state_within_starts_as_its_own_defaults_say_and_belongs_to_it_alone():
    one, other = Outer(), Outer()
    assert (one.first.count, one.second.share) == (3, 0.5)
    one.first.count = 9
    assert (other.first.count, one.second.count) == (3, 3)


def test_a_record_has_the_same_fields():
    record = records_of(Outer(), 2)
    assert record.dtype == dtype_of(Outer)
    assert sorted(record.dtype.names) == sorted(item.name for item in fields(Outer))
    assert (record["is_open"].tolist(), record["first"]["count"].tolist()) == ([True, True], [3, 3])
    assert isnan(record[1]["late_s"])
    assert {dtype_of(Outer)[name].kind for name in ("is_open", "late_s")} == {"b", "f"}


@state
class Packed:
    is_open: bool = False
    seed: Wide = 2**62
    count: int = -3
    code: Short = 7
    late_s: float = 0.5


def test_a_record_is_packed_with_integers_as_wide_as_they_are_declared():
    record = records_of(Packed())[0]
    assert dtype_of(Packed).itemsize == 24, "8 + 8 + 4 + 2 + 1, and 1 to the next multiple of eight"
    assert [record[name].item() for name in ("is_open", "seed", "count", "code", "late_s")] == [False, 2**62, -3, 7, 0.5]
    assert [record[name].itemsize for name in ("seed", "count", "code")] == [8, 4, 2]


def test_the_type_of_a_field_is_known_where_annotations_are_text():
    assert (kind_of(Outer, "is_open"), kind_of(Outer, "first")) == (bool, Inner)


def test_merged_states_have_the_fields_of_all_their_parts():
    merged = merge("Merged", Outer, Apart)
    assert [item.name for item in fields(merged)] == ["is_open", "first", "second", "late_s", "number"]
    made = merged(number=4)
    assert (made.is_open, made.first.count, made.number) == (True, 3, 4)
    assert made.first is not merged().first


def test_two_parts_may_not_have_a_field_of_the_same_name():
    with pytest.raises(TypeError, match="late_s is declared by"):
        merge("Merged", Outer, Other)


def test_fields_that_are_late_have_no_value_until_they_are_written():
    made = merge("Merged", Outer, Apart, late={"number"})()
    with pytest.raises(AttributeError):
        _ = made.number
    made.number = 5
    assert made.number == 5


def test_a_base_may_have_constants():
    base = type("Base", (), {"__slots__": (), "fixed": 1.5})
    made = merge("Merged", Apart, base=base)()
    assert (made.fixed, made.number) == (1.5, 7)
    with pytest.raises(AttributeError):
        made.fixed = 2.0
