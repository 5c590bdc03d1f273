"""How numbers are declared: once, as a class with annotations.

``@state`` makes the class a dataclass with ``__slots__``: fast attributes for the drivers in Python. ``dtype_of`` reads the same
declaration as a numpy record, which has the same attributes in compiled code. So ``s.in_service += 1`` is one source for both.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import MISSING, astuple, dataclass, field, fields, is_dataclass, make_dataclass
from inspect import get_annotations
from typing import Any, dataclass_transform

import numpy as np

KINDS: dict[Any, str] = {int: "i8", float: "f8", bool: "?"}


@dataclass_transform(field_specifiers=(field,))
def state(cls: type) -> Any:
    """Fields are ``int``, ``float``, ``bool`` or another state, which then starts as its own defaults say."""
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


def dtype_of(cls: type) -> np.dtype:
    """The record with the fields of a state; states within it are records within the record."""
    kinds = [(item.name, kind_of(cls, item.name)) for item in fields(cls)]
    return np.dtype([(name, KINDS.get(kind) or dtype_of(kind)) for name, kind in kinds], align=True)


def records_of(instance: Any, count: int = 1) -> np.ndarray:
    """An array of ``count`` records that hold what the instance holds."""
    return np.full(count, np.array(astuple(instance), dtype_of(type(instance))))
