"""Containers of records: tables that make what is asked for, lines through them, and the calls that are woken."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.kernel import containers
from sim.kernel.containers import (
    NOBODY,
    Hashed,
    Keyed,
    Line,
    PerCall,
    add,
    append,
    drop,
    find,
    forget,
    put,
    put_in_ring,
    remove,
    take_first,
    take_ready,
    wake,
)
from sim.kernel.state import state
from tests.examples import examples


@state
class Row:
    value: int = 0
    slot: int = 0
    is_ready: bool = False
    before: int = NOBODY
    after: int = NOBODY


class TestKeyed:
    def test_a_record_is_made_when_it_is_first_asked_for(self):
        table = Keyed("user", Row)
        table["ada"].value = 3
        assert (table["ada"].value, table["bob"].value, list(table)) == (3, 0, ["ada", "bob"])

    def test_rows_known_beforehand_have_the_first_keys(self):
        table = Keyed(2, Row, [Row(5), Row(6)])
        assert [table[key].value for key in (0, 1, 2)] == [5, 6, 0]

    def test_what_was_forgotten_is_made_anew(self):
        table = Keyed("user", Row)
        table[1].value = 3
        forget(table, 1)
        assert (len(table), table[1].value) == (0, 0)

    def test_it_is_bounded_only_where_most_is_set(self, monkeypatch):
        monkeypatch.setattr(containers, "FORGOTTEN", 3)
        table = Keyed("user", Row, bounded=True)
        for key in range(100):
            table[key].value = key
        assert len(table) == 100
        table.most = 100
        assert table[100].value == 0
        assert list(table) == list(range(3, 101)), "the three oldest went, and at once"
        assert table[50].value == 50
        assert len(table) == 98, "a record that is there costs nothing"
        assert not Keyed("user", Row).bounded, "a gateway bounds those that say so"


@given(st.lists(st.tuples(st.sampled_from(["append", "remove", "take"]), st.integers(0, 5)), max_size=60))
@settings(max_examples=examples(100), deadline=None)
def test_a_line_is_a_list_from_which_any_may_go(actions):
    table, line, model = Keyed("key", Row), Line(), []
    for action, key in actions:
        if action == "append" and key not in model:
            append(table, line, key)
            model.append(key)
        elif action == "remove" and key in model:
            remove(table, line, key)
            model.remove(key)
        elif action == "take" and model:
            assert take_first(table, line) == model.pop(0)
        forwards, backwards, key = [], [], line.first
        while key != NOBODY and len(forwards) < line.length:
            forwards.append(key)
            key = table[key].after
        key = line.last
        while key != NOBODY and len(backwards) < line.length:
            backwards.append(key)
            key = table[key].before
        assert forwards == backwards[::-1] == model
        assert line.length == len(model)


@given(st.lists(st.integers(0, 5), max_size=40))
@settings(max_examples=examples(50), deadline=None)
def test_places_are_unique_and_taken_again(keys):
    """Each key is added when it is not there, and dropped when it is."""
    places, model = Hashed(), {}
    for key in keys:
        place = find(places, key)
        assert place == model.get(key, NOBODY)
        if place == NOBODY:
            model[key] = add(places, key)
            assert len(set(model.values())) == len(model)
            assert model[key] < 6, "as many places as there ever were keys at once"
        else:
            drop(places, key)
            del model[key]


def test_a_number_for_every_call_is_put_at_the_end_or_in_its_place():
    numbers = PerCall()
    for place, value in ((0, 5), (1, 6), (0, 7)):
        put(numbers, place, value)
    assert numbers == [7, 6]
    with pytest.raises(IndexError):
        put(numbers, 3, 1)


def test_the_newest_value_takes_the_place_of_the_oldest():
    ring = [1, 2, 3]
    assert put_in_ring(ring, 1, 9) == 2
    assert ring == [1, 9, 3]


def test_calls_go_on_in_the_order_in_which_they_were_woken_and_once():
    g = SimpleNamespace(calls=[Row(slot=slot) for slot in range(4)], ready=Line())
    for slot in (2, 0, 2, 3):
        wake(g, g.calls[slot])
    gone_on = []
    while g.ready.length:
        c = take_ready(g)
        assert not c.is_ready
        gone_on.append(c.slot)
    assert gone_on == [2, 0, 3]
    wake(g, g.calls[2])
    assert g.ready.length == 1, "it may be woken again"
