"""Small wrong versions of a module: one change each, such as a careless edit makes."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
OTHER_END = {"min": "max", "max": "min"}
RANDOM = "draw"


class Mutant(NamedTuple):
    """``source`` is the whole module with one change, ``what`` says which kind, ``line`` and ``change`` where and how."""

    what: str
    line: int
    change: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines. Docstrings, annotations, imports and ``__repr__`` are left alone."""
    tree = ast.parse(source)
    for path in places(tree):
        for what, replacement in changes(node_at(tree, path)):
            changed = copy.deepcopy(tree)
            replace(changed, path, replacement)
            before, after = ast.unparse(node_at(tree, path)), ast.unparse(replacement)
            text = ast.unparse(ast.fix_missing_locations(changed))
            yield Mutant(what, node_at(tree, path).lineno, f"{before} → {after}", text)


Path = tuple[tuple[str, int | None], ...]


def places(node: ast.AST, path: Path = ()) -> Iterator[Path]:
    """Paths to the nodes that may be changed."""
    if isinstance(node, ast.expr | ast.stmt) and path:
        yield path
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "names", "bases"):
            continue
        children = value if isinstance(value, list) else [value]
        for index, child in enumerate(children):
            if isinstance(child, ast.FunctionDef) and child.name == "__repr__":
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue  # a docstring
            if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "__slots__":
                continue
            if isinstance(child, ast.AST):
                yield from places(child, (*path, (name, index if isinstance(value, list) else None)))


def node_at(tree: ast.AST, path: Path) -> Any:
    """An expression or statement, or (on the way) what holds one, such as a keyword argument."""
    node: Any = tree
    for name, index in path:
        node = getattr(node, name) if index is None else getattr(node, name)[index]
    return node


def replace(tree: ast.AST, path: Path, replacement: ast.AST) -> None:
    *above, (name, index) = path
    parent = node_at(tree, tuple(above)) if above else tree
    if index is None:
        setattr(parent, name, replacement)
    else:
        getattr(parent, name)[index] = replacement


def changes(node: ast.expr | ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """(kind of change, node to stand instead)."""
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            if type(operator) in COMPARISONS:
                other = copy.deepcopy(node)
                other.ops[index] = COMPARISONS[type(operator)]()
                yield "comparison swapped", other
    if isinstance(node, ast.BoolOp):
        yield "and/or swapped", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield "arithmetic swapped", ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
    if isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
        yield "arithmetic swapped", ast.AugAssign(node.target, ARITHMETIC[type(node.op)](), node.value)
    if isinstance(node, ast.Name) and node.id == RANDOM and isinstance(node.ctx, ast.Load):
        yield "jitter dropped", ast.Constant(1.0)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OTHER_END:
        yield "min/max swapped", ast.Call(ast.Name(OTHER_END[node.func.id], ast.Load()), node.args, node.keywords)
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant flipped", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield "off by one", ast.Constant(node.value + 1)
