"""The source of stages, providers and the driver, for those who write it out elsewhere: functions' syntax, and which fields are stored."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from inspect import getsource
from sys import modules
from types import FunctionType, ModuleType
from typing import Any

PACKAGES = ("sim.gateway.", "sim.kernel.", "sim.provider.", "sim.engine.simpy_driver.")
LARGEST = 600  # syntax nodes of a function that is written out where it is called
NOT_WRITTEN_OUT = (
    ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Yield, ast.YieldFrom, ast.Await, ast.Try, ast.With,
    ast.Global, ast.Nonlocal, ast.ClassDef, ast.NamedExpr, ast.Delete,
)  # fmt: skip


@cache
def assignments(source: ast.FunctionDef) -> dict[str, int]:
    """How often the function assigns each of its local names."""
    times: dict[str, int] = {}
    for node in ast.walk(source):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            times[node.id] = times.get(node.id, 0) + 1
    for node in ast.walk(source):
        if isinstance(node, ast.For | ast.AugAssign) and isinstance(node.target, ast.Name):
            times[node.target.id] = 2
    return times


@cache
def source_of(function: Any) -> ast.FunctionDef | None:
    """The function's syntax; None if it cannot be written out."""
    if not isinstance(function, FunctionType) or not function.__module__.startswith(PACKAGES):
        return None
    source = functions_in(modules[function.__module__]).get(function.__qualname__)
    if source is None or source.lineno != function.__code__.co_firstlineno or source.args.defaults or source.args.kwonlyargs:
        return None
    nodes = list(ast.walk(source))
    unfit = any(isinstance(node, NOT_WRITTEN_OUT) or (isinstance(node, ast.FunctionDef) and node is not source) for node in nodes)
    return None if unfit or len(nodes) > LARGEST else source


@cache
def functions_in(module: ModuleType) -> dict[str, ast.FunctionDef]:
    """By qualified name: functions, and methods of classes."""
    tree = tree_of(module)
    found: dict[str, ast.FunctionDef] = {}
    for prefix, body in [("", tree.body), *((f"{node.name}.", node.body) for node in tree.body if isinstance(node, ast.ClassDef))]:
        found |= {prefix + node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    return found


def functions_of(module: ModuleType) -> list[Any]:
    return [vars(module)[name] for name in functions_in(module) if "." not in name]


@cache
def tree_of(module: ModuleType) -> ast.Module:
    return ast.parse(getsource(module))


def stored_in(sources: Iterable[ModuleType]) -> set[str]:
    """The names of all fields that some source stores, but for what objects are made with."""
    return {name for module in sources for name in fields_stored(module)}


@cache
def fields_stored(module: ModuleType) -> frozenset[str]:
    made = {node for name, function in functions_in(module).items() if name.endswith("__init__") for node in ast.walk(function)}
    return frozenset(
        node.attr
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del) and node not in made
    )


@cache
def fields_read(module: ModuleType) -> frozenset[str]:
    return frozenset(node.attr for node in ast.walk(tree_of(module)) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load))
