"""A gateway and its providers as records and arrays, from Python ones in which nothing has happened yet; and more room for what grows."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.engine.compiled_driver.containers import EVENT, hashed_of, rehashed, stack_of
from sim.engine.compiled_driver.draws import draws_of
from sim.gateway import chain
from sim.kernel.containers import NOBODY, Hashed, Keyed
from sim.kernel.state import dtype_of, records_of
from sim.provider.state import Providers

Sizes = dict[str, int]
"""How many keys there are, by the name of what has them: a field of requests, ``slot``, ``prefix``."""
NOTES = 1 << 10  # at first


def compiled_gateway(g: Any, sizes: Sizes, history: np.ndarray) -> Any:
    slots = sizes["slot"]
    fields: tuple[str, ...] = chain.Gateway._fields
    parts = {name: None if name == "path" else compiled_form(getattr(g, name), sizes) for name in fields}
    gateway: Any = chain.Gateway(**parts)
    return gateway._replace(
        calls=np.zeros(slots, dtype_of(call_record(g))),
        free=stack_of(np.arange(slots)[::-1].copy(), slots), leaving=np.zeros(slots, np.int64),
        events=stack_of(np.zeros(NOTES, EVENT), 0), history=history, timers=len(g.timers),
    )  # fmt: skip


def call_record(g: Any) -> Any:
    """The class of a call's record, for a gateway in Python."""
    return chain.record_class(chain.with_records(chain.used_by(g)))


def compiled_providers(p: Any, g: Any, sizes: Sizes, seed: int) -> Any:
    """``g`` is the compiled gateway. What no provider of the scenario uses is None."""
    unused = [] if p.servers else ["servers", "marks", "rearmed"]
    unused += [] if p.limits else ["limits", "rings"]
    unused += [] if any(model.cached for model in p.models.values()) else ["places", "prefixes"]
    parts = {name: None if name in unused else compiled_form(getattr(p, name), sizes) for name in Providers._fields}
    return Providers(**parts)._replace(
        seed=None, calls=g.calls, ready=g.ready, history=g.history, draws=draws_of(p.draws, seed),
        visits=np.zeros((len(p.draws), sizes["prompt"]), np.int32), changes=np.array(p.changes, np.float64),
        marks=np.full((len(p.servers), sizes["slot"]), NOBODY) if p.servers else None,
    )  # fmt: skip


def compiled_form(part: Any, sizes: Sizes) -> Any:
    if isinstance(part, Keyed):
        return array_of(part, part.size if isinstance(part.size, int) else sizes[part.size])
    if isinstance(part, Hashed):
        return hashed_of(sizes["prefix"])
    return records_of(part)[0] if hasattr(part, "__dataclass_fields__") else None


def array_of(table: Keyed, count: int) -> np.ndarray:
    """Records of all keys, or a row of numbers for each."""
    known = list(table.values())
    blank = known[0] if len(known) == count and known else table.make()
    if not isinstance(blank, list):
        rows = records_of(blank, count)
        for key, row in enumerate(known):
            rows[key] = records_of(row)[0]
        return rows
    width = max([len(blank), *map(len, known)])
    kind = np.array([*blank, *(known[0] if known else ())]).dtype
    numbers = np.zeros((count, width), kind)
    numbers[:, : len(blank)] = blank
    for key, row in enumerate(known):
        numbers[key, : len(row)] = row
    return numbers


def with_room(g: Any, p: Any, python_g: Any, python_p: Any, before: Sizes, sizes: Sizes) -> tuple[Any, Any]:
    """The same with tables for larger ``sizes`` than ``before``."""
    tables = {}
    for name, number in sizes.items():
        if number > before[name]:
            for field, table in keyed_by(python_g, name):
                tables[field] = longer(getattr(g, field), array_of(table, number - before[name]))
            if name == "prompt":
                p = p._replace(visits=np.concatenate([p.visits, np.zeros((len(p.visits), number - before[name]), np.int32)], axis=1))
            if name == "prefix":
                p = p._replace(places=rehashed(p.places, number))
                p = p._replace(prefixes=longer(p.prefixes, array_of(python_p.prefixes, number - before[name])))
    g = g._replace(**tables)
    if sizes["slot"] > before["slot"]:
        g, p = with_slots(g, p, sizes["slot"])
    return g, p


def keyed_by(g: Any, name: str) -> list[tuple[str, Keyed]]:
    return [(field, table) for field in g._fields if isinstance(table := getattr(g, field), Keyed) and table.size == name]


def longer(rows: np.ndarray, more: np.ndarray) -> np.ndarray:
    return np.concatenate([rows, more])


def with_slots(g: Any, p: Any, slots: int) -> tuple[Any, Any]:
    before = len(g.calls)
    free = np.zeros(slots, np.int64)
    count = int(g.free.top["count"])
    free[: slots - before] = np.arange(before, slots)[::-1]
    free[slots - before : slots - before + count] = g.free.rows[:count]
    g.free.top["count"] = count + slots - before
    calls = longer(g.calls, np.zeros(slots - before, g.calls.dtype))
    leaving = np.zeros(slots, np.int64)
    leaving[:before] = g.leaving
    g = g._replace(calls=calls, free=g.free._replace(rows=free), leaving=leaving)
    marks = p.marks
    if marks is not None:
        marks = np.concatenate([marks, np.full((len(marks), slots - before), NOBODY)], axis=1)
    return g, p._replace(calls=calls, marks=marks)


def with_notes(g: Any) -> Any:
    rows = g.events.rows
    return g._replace(events=g.events._replace(rows=longer(rows, np.zeros(len(rows), EVENT))))


def readable(parts: Any) -> Any:
    """The same with records whose fields Python reads as attributes."""
    records = {name: np.atleast_1d(part).view(np.recarray)[0] for name, part in parts._asdict().items() if isinstance(part, np.void)}
    return parts._replace(**records)
