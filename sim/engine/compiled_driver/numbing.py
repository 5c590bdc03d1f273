"""How compiled code is compiled: numba's options, and every function of stages and providers made callable from it as it stands."""

from __future__ import annotations

import types as python_types
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from inspect import signature
from typing import Any

from numba import njit, types
from numba.extending import overload, register_jitable

ENTRY: dict[str, Any] = {"_nrt": False, "error_model": "numpy"}
"""Compiled code makes no arrays, so it need not count references to them, which takes many times as long as all else. An option with an
underscore, the only one here: should numba drop it, results stay as they are. And no stage divides by zero."""
CALLED = ENTRY | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""No Python can call these."""
INLINED: Any = CALLED | {"forceinline": True}

jitable: Callable[..., Any] = register_jitable(**INLINED)
merged: Callable[..., Any] = njit(inline="always", **CALLED)
"""For what has one caller: it becomes part of its caller's text, so that it is not compiled by itself and then once more in there."""
apart: Callable[..., Any] = register_jitable(**CALLED)
"""For what happens rarely: it is compiled once, not at every place that calls it."""


def means(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a function of two forms means in compiled code: the decorated function makes its text from the arguments' types."""

    def decorate(chosen: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(chosen)
        def bare(*types_of: Any, **named: Any) -> Any:
            return without_annotations(chosen(*types_of, **named))

        overload(function, jit_options=INLINED)(without_annotations(bare))
        return chosen

    return decorate


def only_with(field: str, function: Callable[..., Any], otherwise: Callable[..., Any]) -> None:
    """A function of (p, …), or (g, …), that nobody calls where that has no such table: compiled as it is where it has, otherwise as
    ``otherwise``.
    """
    body = python_types.FunctionType(function.__code__, function.__globals__, function.__name__)  # without annotations

    def chosen(p: Any, *others: Any) -> Any:
        return body if is_there(p, field) else otherwise

    chosen.__signature__ = signature(body)  # type: ignore[attr-defined]
    overload(function, jit_options=INLINED)(chosen)


def function_of(head: str, lines: Iterable[str], names: dict[str, Any]) -> Callable[..., Any]:
    """The function ``def head:`` with these lines, in which ``names`` are known.

    Only for what numba has no words for: a choice among functions by number, and a field whose name is computed. Functions nested for
    each case, or ``literal_unroll``, would do as well, but are compiled one by one with all tables for arguments.
    """
    known = dict(names)
    exec("\n    ".join([f"def made({head}):", *lines]), known)
    made: Callable[..., Any] = known["made"]
    return made


def without_annotations(function: Any) -> Any:
    """numba wants the two to have the same, and has no use for them."""
    function.__annotations__ = {}
    if hasattr(function, "__wrapped__"):
        function.__wrapped__.__annotations__ = {}
    return function


def functions_of(module: python_types.ModuleType) -> Iterator[Callable[..., Any]]:
    for member in vars(module).values():
        if isinstance(member, python_types.FunctionType) and member.__module__ == module.__name__:
            yield member


def register(modules: Iterable[python_types.ModuleType], two_forms: set[Any], rare: set[Any]) -> None:
    """Make the functions of modules callable from compiled code, but for those that have a form of their own there."""
    for module in modules:
        for function in functions_of(module):
            if function not in two_forms:
                (apart if function in rare else jitable)(function)


def is_there(named: Any, name: str) -> bool:
    """Whether a field of a named tuple, of which the type is given, is anything but None."""
    return not isinstance(named.types[named.fields.index(name)], types.NoneType)
