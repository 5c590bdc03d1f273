"""The containers that stages and providers need. Keys are numbers in a simulation and anything hashable in a real gateway.

A ``Keyed`` table has a record for every key: a dict in Python, which makes it when it is first asked for; an array in compiled code,
where keys are dense. Both are read as ``table[key]``. A ``Line`` is a first-in-first-out list that runs through the records of a table,
by their fields ``before`` and ``after``: waiting calls, or a cache's entries from the least to the most recently used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from math import inf
from typing import Any

from sim.kernel.state import state

NOBODY = -1
MOST = 1_000_000
FORGOTTEN = 10_000


class Keyed(dict[Any, Any]):
    """``size``: how many keys there are in compiled code, a number or the name of what has the keys (a field of requests, or ``slot``).

    ``make`` makes a record, or a list of numbers; ``rows`` are the records of keys 0, 1, … that are known beforehand. Clients may invent
    keys without end, and where no stage would ``forget`` them a table is ``bounded``: a real gateway sets ``most``, and beyond it the
    oldest records go, FORGOTTEN at once. A simulation keeps all: its workload has an end.
    """

    __slots__ = ("bounded", "make", "most", "size")

    def __init__(self, size: int | str, make: Callable[[], Any], rows: Iterable[Any] = (), bounded: bool = False) -> None:
        super().__init__(enumerate(rows))
        self.size = size
        self.make = make
        self.bounded = bounded
        self.most = inf

    def __missing__(self, key: Any) -> Any:
        if len(self) >= self.most:
            for oldest in list(islice(self, FORGOTTEN)):
                del self[oldest]
        row = self[key] = self.make()
        return row


def forget(table: Any, key: Any) -> None:
    """Give back the memory of a record that holds nothing worth remembering. (Compiled: an array keeps its blank record.)"""
    del table[key]


class PerCall(list[Any]):
    """A list of numbers with a place for every call that is under way: it grows as they do."""


def put(numbers: Any, place: int, value: Any) -> None:
    """``numbers[place] = value`` of a ``PerCall`` list, at whose end it may stand. (Compiled: there is a place already.)"""
    if place == len(numbers):
        numbers.append(value)
    else:
        numbers[place] = value


@state
class Line:
    first: int = NOBODY
    last: int = NOBODY
    length: int = 0


def append(table: Any, line: Any, key: Any) -> None:
    row = table[key]
    row.before, row.after = line.last, NOBODY
    if line.length:
        table[line.last].after = key
    else:
        line.first = key
    line.last = key
    line.length += 1


def remove(table: Any, line: Any, key: Any) -> None:
    row = table[key]
    if line.first == key:
        line.first = row.after
    else:
        table[row.before].after = row.after
    if line.last == key:
        line.last = row.before
    else:
        table[row.after].before = row.before
    line.length -= 1


def take_first(table: Any, line: Any) -> Any:
    key = line.first
    remove(table, line, key)
    return key


def wake(g: Any, c: Any) -> None:
    """The call goes on as soon as the present event is over."""
    if not c.is_ready:
        c.is_ready = True
        append(g.calls, g.ready, c.slot)


def take_ready(g: Any) -> Any:
    """The call that was woken first, of those that have not gone on yet."""
    c = g.calls[take_first(g.calls, g.ready)]
    c.is_ready = False
    return c


def put_in_ring(ring: Any, place: int, value: Any) -> Any:
    """The newest value takes the place of the oldest, which is returned. The caller counts ``place`` on."""
    oldest = ring[place]
    ring[place] = value
    return oldest


class Hashed(dict[Any, int]):
    """Places in a table for keys that are not dense: ``find``, ``add`` and ``drop``. The table's records are read by place.

    (Compiled: open addressing over 64-bit keys, and a list of free places.)
    """

    __slots__ = ("free",)

    def __init__(self) -> None:
        super().__init__()
        self.free: list[int] = []


def find(places: Any, key: Any) -> int:
    """The place of a key, NOBODY if it has none."""
    place: int = places.get(key, NOBODY)
    return place


def add(places: Any, key: Any) -> int:
    """A place for a key that has none: one that was dropped, or the next."""
    place: int = places.free.pop() if places.free else len(places)
    places[key] = place
    return place


def drop(places: Any, key: Any) -> None:
    places.free.append(places.pop(key))
