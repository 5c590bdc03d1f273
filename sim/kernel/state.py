"""How numbers are declared: once, as a class with annotations.

``@state`` makes the class a dataclass with ``__slots__``: fast attributes for the drivers in Python. ``dtype_of`` reads the same
declaration as a numpy record, which has the same attributes in compiled code. So ``s.in_service += 1`` is one source for both.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, make_dataclass
from functools import cache
from inspect import get_annotations
from typing import Annotated, Any, dataclass_transform

import numpy as np

Wide = Annotated[int, "i8"]
"""An int that may go beyond two billion: of 64 bits in a record, where others have 32."""
Short = Annotated[int, "i2"]
"""An int of 16 bits in a record, for codes and what there are few of: a record of a call is copied for every call, and read from afar."""
KINDS: dict[Any, str] = {int: "i4", Wide: "i8", Short: "i2", float: "f8", bool: "?"}


@dataclass_transform(field_specifiers=(field,))
def state(cls: type) -> Any:
    """Fields are ``int`` (or ``Wide``, ``Short``), ``float``, ``bool`` or another state, which then starts as its own defaults say."""
    for name in get_annotations(cls):
        kind = kind_of(cls, name)
        if is_dataclass(kind) and name not in cls.__dict__:
            setattr(cls, name, field(default_factory=kind))  # type: ignore[arg-type]
    return dataclass(slots=True)(cls)


def kind_of(cls: type, name: str) -> Any:
    """The type of a field, also where annotations are strings."""
    for base in cls.__mro__:
        annotation = get_annotations(base).get(name)
        if annotation is not None:
            break
    if not isinstance(annotation, str):
        return annotation
    return eval(annotation, vars(sys.modules[base.__module__]))  # the module's own words


def merge(name: str, *parts: type, base: type = object, late: Collection[str] = ()) -> Any:
    """One state with the fields of all ``parts``, derived from ``base``. Raises TypeError where two parts use the same name.

    Fields that are ``late`` have no value at first: they are always written before they are read, and cost nothing to make.
    """
    merged: list[tuple[str, Any, Any]] = []
    owner: dict[str, type] = {}
    for part in parts:
        for item in fields(part):
            if item.name in owner:
                raise TypeError(f"{item.name} is declared by {owner[item.name].__module__} and by {part.__module__}")
            owner[item.name] = part
            default: dict[str, Any] = {"init": False}
            if item.name not in late:
                default = {"default": item.default} if item.default is not MISSING else {"default_factory": item.default_factory}
            merged.append((item.name, kind_of(part, item.name), field(**default)))
    return make_dataclass(name, merged, bases=(base,), slots=True)


def in_python(named: Any) -> Any:
    """A class with the fields of a named tuple as slots: Python reads those several times as fast. Compiled code takes the tuple."""
    return make_dataclass(named.__name__, [(name, Any) for name in named._fields], slots=True, namespace={"_fields": named._fields})


@cache
def dtype_of(cls: type) -> np.dtype:
    """The record with the fields of a state, the widest first, so that none is padded; states within it are records within the record."""
    kinds = [(item.name, dtype_of_kind(kind_of(cls, item.name))) for item in fields(cls)]
    return np.dtype(sorted(kinds, key=lambda field: -field[1].alignment), align=True)


def dtype_of_kind(kind: Any) -> np.dtype:
    return np.dtype(KINDS[kind]) if kind in KINDS else dtype_of(kind)


def records_of(instance: Any, count: int = 1) -> np.ndarray:
    """An array of ``count`` records that hold what the instance holds. Blank ones take no memory before they are written."""
    cls: Any = type(instance)
    row = np.zeros(1, dtype_of(cls))
    write(row, instance)
    words = row.view(np.int64 if row.itemsize % 8 == 0 else np.uint8)
    rows = np.zeros((count, len(words)), words.dtype)
    if words.any():
        rows[:] = words
    return rows.view(row.dtype)[:, 0]


def write(row: np.ndarray, instance: Any) -> None:
    for item in fields(instance):
        value = getattr(instance, item.name)
        if is_dataclass(value):
            write(row[item.name], value)
        else:
            row[item.name] = value
