"""Partial evaluation of stages and providers: from their source, a program in which calls among them are written out in place, and what
a scenario fixes is decided beforehand. Performance only: the residual program does what the source does, in the same order.

A value is ``Known`` now (a constant, a function, a table of the gateway) or ``Code`` for when the program runs. A field is known if no
source in use ever stores a field of that name; a field of a table's rows, if all of them hold the same.
"""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, is_dataclass
from itertools import count
from types import MethodType, ModuleType
from typing import Any, TypeGuard

from sim.engine.simpy_driver.sources import assignments, source_of
from sim.kernel.containers import Keyed

DEEPEST = 8  # calls within calls
PLAIN = (int, float, bool, str, type(None))
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.LShift: operator.lshift,
    ast.RShift: operator.rshift, ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda item, items: item in items, ast.NotIn: lambda item, items: item not in items,
}  # fmt: skip


@dataclass(slots=True)
class Known:
    value: Any


@dataclass(slots=True)
class Code:
    node: ast.expr
    rows: Any = None  # the table that it is a row of, if that is known


Value = Known | Code
Returns = Callable[["Frame", Value], list[ast.stmt]]


class NotWrittenOut(Exception):
    """The function has a form that stays a call."""


@dataclass(slots=True)
class Frame:
    """A function that is being written out: ``returns`` says what becomes of its return statements."""

    number: int
    names: dict[str, Any]  # of its module
    assigned: dict[str, int]  # how often each local name is
    returns: Returns
    breaks: bool  # a return statement leaves a loop around the function's text
    values: dict[str, Value]
    functions: tuple[Any, ...]  # this one, and those around it
    loops: int = 0


class Evaluator:
    """Makes the text of functions. ``names`` are what it refers to."""

    def __init__(self, driver: Any, stored: set[str], of_call: dict[str, Any], apart: Iterable[Any]) -> None:
        """``stored``: the names of fields that are. ``of_call``: what a call's fields hold that are not. ``apart``: functions that stay
        calls.
        """
        self.driver, self.stored, self.of_call, self.apart = driver, stored, of_call, set(apart)
        self.calls = driver.g.calls
        self.fixed = {id(each) for each in (driver.g, driver.p, driver.g.path)}
        self.instead: dict[Any, Callable[..., ast.expr]] = {}  # what is called in the stead of a method of the driver
        self.names: dict[str, Any] = {}
        self.name_of: dict[int, str] = {}
        self.numbers = count()
        self.uniform: dict[tuple[int, str], Known | None] = {}

    # ---- whole functions
    def function(self, name: str, parameters: str, body: list[ast.stmt]) -> ast.FunctionDef:
        made = ast.parse(f"def {name}({parameters}): pass").body[0]
        assert isinstance(made, ast.FunctionDef)
        made.body = body or [ast.Pass()]
        return made

    def compiled(self, functions: list[ast.FunctionDef]) -> dict[str, Any]:
        """The functions by name."""
        module = ast.fix_missing_locations(ast.Module(list(functions), []))
        exec(compile(module, "<partial evaluation>", "exec"), self.names)
        return self.names

    def text(self, function: Any, arguments: list[Value], returns: Returns, breaks: bool, around: tuple[Any, ...] = ()) -> list[ast.stmt]:
        """The function's body with these arguments. Raises NotWrittenOut."""
        if isinstance(function, MethodType):
            function, arguments = function.__func__, [Known(function.__self__), *arguments]
        source = source_of(function)
        if source is None or function in around or len(around) > DEEPEST or len(arguments) != len(source.args.args):
            raise NotWrittenOut
        frame = Frame(next(self.numbers), function.__globals__, assignments(source), returns, breaks, {}, (*around, function))
        before: list[ast.stmt] = []
        for argument, value in zip(source.args.args, arguments, strict=True):
            kept = isinstance(value, Known) or isinstance(value.node, ast.Name)
            if kept and argument.arg not in frame.assigned:
                frame.values[argument.arg] = value
            else:
                before += self.assign(frame, argument.arg, value)
        body = self.block(frame, source.body)
        return before + (body if ends(body) else body + returns(frame, Known(None)))

    # ---- statements
    def block(self, frame: Frame, statements: Iterable[ast.stmt]) -> list[ast.stmt]:
        done: list[ast.stmt] = []
        for statement in statements:
            done += self.statement(frame, statement)
            if ends(done):
                break
        return done

    def statement(self, frame: Frame, node: ast.stmt) -> list[ast.stmt]:
        match node:
            case ast.Return(value):
                return self.give_back(frame, ast.Constant(None) if value is None else value)
            case ast.If(ast.BoolOp(ast.And(), [first, *others]), body, []):  # so that calls within may be written out
                rest = others[0] if len(others) == 1 else ast.BoolOp(ast.And(), others)
                return self.choose(frame, first, [ast.If(rest, body, [])], [])
            case ast.If(test, body, otherwise):
                return self.choose(frame, test, body, otherwise)
            case ast.For(ast.Name(name), iterable, body, []):
                return self.loop(frame, name, iterable, body)
            case ast.While(test, body, []):
                frame.loops += 1
                made = ast.While(self.code(self.value(frame, test, None)), self.block(frame, body) or [ast.Pass()], [])
                frame.loops -= 1
                return [made]
            case ast.Assign([ast.Tuple(targets)], ast.Tuple(values)) if independent(targets, values):
                return self.block(frame, [ast.Assign([target], value) for target, value in zip(targets, values, strict=True)])
            case ast.AnnAssign(ast.Name() as target, _, ast.expr() as value):
                return self.statement(frame, ast.Assign([target], value))
            case ast.Assign([ast.Name(name)], value):
                before: list[ast.stmt] = []
                result = self.value(frame, value, before)
                return before + self.assign(frame, name, result)
            case ast.Assign(targets, value):
                before = []
                result = self.value(frame, value, before)
                return [*before, ast.Assign([self.target(frame, target) for target in targets], self.code(result))]
            case ast.AugAssign(target, operation, value):
                place: Any = self.target(frame, target)
                return [ast.AugAssign(place, operation, self.code(self.value(frame, value, None)))]
            case ast.Expr(ast.Constant()) | ast.Pass():
                return []
            case ast.Expr(value):
                before = []
                result = self.value(frame, value, before, used=False)
                return before if isinstance(result, Known) else [*before, ast.Expr(result.node)]
            case ast.Break() | ast.Continue():
                return [node]
        raise NotWrittenOut

    def give_back(self, frame: Frame, value: ast.expr) -> list[ast.stmt]:
        if frame.breaks and frame.loops:
            raise NotWrittenOut
        before: list[ast.stmt] = []
        if isinstance(value, ast.Call) and not value.keywords:
            function, *arguments = self.values(frame, (value.func, *value.args), before)
            if isinstance(function, Known) and not self.stays(function, arguments):
                try:
                    return before + self.text(function.value, arguments, frame.returns, frame.breaks, frame.functions)
                except NotWrittenOut:
                    before = []
        result = self.value(frame, value, before)
        return before + frame.returns(frame, result)

    def choose(self, frame: Frame, test: ast.expr, body: list[ast.stmt], otherwise: list[ast.stmt]) -> list[ast.stmt]:
        before: list[ast.stmt] = []
        result = self.value(frame, test, before)
        if is_plain(result):
            return before + self.block(frame, body if result.value else otherwise)
        test = self.code(result)
        yes, no = self.block(frame, body), self.block(frame, otherwise)
        if not yes and not no:
            return [*before, ast.Expr(test)]
        return [*before, ast.If(test, yes or [ast.Pass()], no)]

    def loop(self, frame: Frame, name: str, iterable: ast.expr, body: list[ast.stmt]) -> list[ast.stmt]:
        before: list[ast.stmt] = []
        over = self.value(frame, iterable, before)
        if isinstance(over, Known) and isinstance(over.value, tuple | range) and len(over.value) < 9 and not leaves_loop(body):
            for item in over.value:
                frame.values[name] = Known(item)
                before += self.block(frame, body)
                if ends(before):
                    break
            return before
        frame.values[name] = self.variable(frame, name)
        frame.loops += 1
        made = ast.For(ast.Name(local(frame, name), ast.Store()), self.code(over), self.block(frame, body) or [ast.Pass()], [])
        frame.loops -= 1
        return [*before, made]

    def assign(self, frame: Frame, name: str, value: Value) -> list[ast.stmt]:
        once = frame.assigned.get(name, 0) <= 1
        if isinstance(value, Known) and once:
            frame.values[name] = value
            return []
        frame.values[name] = self.variable(frame, name, value.rows if once and isinstance(value, Code) else None)
        return [ast.Assign([ast.Name(local(frame, name), ast.Store())], self.code(value))]

    def variable(self, frame: Frame, name: str, rows: Any = None) -> Code:
        """A local name; ``c`` is a call in all that is written out."""
        return Code(ast.Name(local(frame, name), ast.Load()), self.calls if name == "c" else rows)

    def target(self, frame: Frame, node: ast.expr) -> ast.expr:
        match node:
            case ast.Name(name):
                frame.values[name] = self.variable(frame, name)
                return ast.Name(local(frame, name), ast.Store())
            case ast.Attribute(base, name):
                return ast.Attribute(self.code(self.value(frame, base, None)), name, ast.Store())
            case ast.Subscript(base, index):
                return ast.Subscript(self.code(self.value(frame, base, None)), self.code(self.value(frame, index, None)), ast.Store())
            case ast.Tuple(items):
                return ast.Tuple([self.target(frame, item) for item in items], ast.Store())
        raise NotWrittenOut

    # ---- expressions
    def value(self, frame: Frame, node: ast.expr, before: list[ast.stmt] | None, used: bool = True) -> Value:
        """What an expression comes to. Calls are written out into ``before``, where nothing that they might change was read ahead of
        them; nowhere if that is None.
        """
        match node:
            case ast.Constant(constant):
                return Known(constant)
            case ast.Name(name):
                return self.look_up(frame, name)
            case ast.Attribute(base, name):
                return self.field(self.value(frame, base, before), name)
            case ast.Subscript(base, index):
                return self.item(*self.values(frame, (base, index), before))
            case ast.BinOp(left, ast.operator() as sum_, right):
                first, second = self.values(frame, (left, right), before)
                return self.apply(sum_, first, second, lambda a, b: ast.BinOp(a, sum_, b))
            case ast.Compare(left, [ast.cmpop() as relation], [right]):
                first, second = self.values(frame, (left, right), before)
                return self.apply(relation, first, second, lambda a, b: ast.Compare(a, [relation], [b]))
            case ast.Compare(left, operations, others):
                results = self.values(frame, (left, *others), before)
                return Code(ast.Compare(self.code(results[0]), operations, [self.code(each) for each in results[1:]]))
            case ast.UnaryOp(operation, operand):
                result = self.value(frame, operand, before)
                if is_plain(result) and isinstance(operation, ast.Not | ast.USub):
                    return Known(not result.value if isinstance(operation, ast.Not) else -result.value)
                return Code(ast.UnaryOp(operation, self.code(result)))
            case ast.BoolOp(operation, operands):
                return self.short_circuit(frame, operation, operands, before)
            case ast.IfExp(test, yes, no):
                chosen = self.value(frame, test, before)
                if is_plain(chosen):
                    return self.value(frame, yes if chosen.value else no, before)
                return Code(ast.IfExp(self.code(chosen), *(self.code(self.value(frame, each, None)) for each in (yes, no))))
            case ast.Tuple(items):
                results = self.values(frame, tuple(items), before)
                if all(isinstance(each, Known) for each in results):
                    return Known(tuple(each.value for each in results if isinstance(each, Known)))
                return Code(ast.Tuple([self.code(each) for each in results], ast.Load()))
            case ast.List(items):
                return Code(ast.List([self.code(each) for each in self.values(frame, tuple(items), before)], ast.Load()))
            case ast.Starred(items):
                return Code(ast.Starred(self.code(self.value(frame, items, before)), ast.Load()))
            case ast.Call(function, arguments, []):
                return self.call(frame, *self.values(frame, (function, *arguments), before), before=before, used=used)
        raise NotWrittenOut

    def values(self, frame: Frame, nodes: tuple[ast.expr, ...], before: list[ast.stmt] | None) -> list[Value]:
        """Of expressions from left to right: once one has been read that a call may change, no call is written out."""
        results = []
        for node in nodes:
            result = self.value(frame, node, before)
            results.append(result)
            if isinstance(result, Code) and not isinstance(result.node, ast.Name):
                before = None
        return results

    def look_up(self, frame: Frame, name: str) -> Value:
        if name in frame.values:
            return frame.values[name]
        if name in frame.assigned:
            return self.variable(frame, name)
        return Known(frame.names[name] if name in frame.names else getattr(builtins, name))

    def field(self, base: Value, name: str) -> Value:
        if isinstance(base, Known):
            value = base.value
            if id(value) in self.fixed or isinstance(value, ModuleType):
                return Known(getattr(value, name))
            if (is_dataclass(value) or value is self.driver) and name not in self.stored:
                return Known(getattr(value, name))
        elif base.rows is not None and (known := self.field_of_rows(base.rows, name)) is not None:
            return known
        return Code(ast.Attribute(self.code(base), name, ast.Load()))

    def field_of_rows(self, table: Any, name: str) -> Known | None:
        if table is self.calls:
            return Known(self.of_call[name]) if name in self.of_call else None
        if (id(table), name) not in self.uniform:
            known = None if name in self.stored else uniform_field(table, name)
            self.uniform[id(table), name] = known
        return self.uniform[id(table), name]

    def item(self, base: Value, index: Value) -> Value:
        if isinstance(base, Known) and isinstance(index, Known) and isinstance(base.value, tuple):
            return Known(base.value[index.value])
        rows = base.value if isinstance(base, Known) and isinstance(base.value, list | Keyed) else None
        return Code(ast.Subscript(self.code(base), self.code(index), ast.Load()), rows)

    def apply(self, operation: Any, first: Value, second: Value, make: Callable[[ast.expr, ast.expr], ast.expr]) -> Value:
        known = isinstance(first, Known) and isinstance(second, Known) and isinstance(operation, ast.Is | ast.IsNot)
        if known or (is_plain(first) and is_plain(second) and type(operation) in OPERATORS):
            assert isinstance(first, Known)
            assert isinstance(second, Known)
            try:
                return Known(OPERATORS[type(operation)](first.value, second.value))
            except ArithmeticError:
                pass  # as it would when it runs
        return Code(make(self.code(first), self.code(second)))

    def short_circuit(self, frame: Frame, operation: ast.boolop, operands: list[ast.expr], before: list[ast.stmt] | None) -> Value:
        goes_on = isinstance(operation, ast.And)
        parts: list[Value] = []
        for operand in operands:
            result = self.value(frame, operand, None if parts else before)
            if is_plain(result) and bool(result.value) is goes_on and operand is not operands[-1]:
                continue
            parts.append(result)
            if is_plain(result) and bool(result.value) is not goes_on:
                break
        return parts[0] if len(parts) == 1 else Code(ast.BoolOp(operation, [self.code(part) for part in parts]))

    def call(self, frame: Frame, function: Value, *arguments: Value, before: list[ast.stmt] | None, used: bool) -> Value:
        if isinstance(function, Known) and function.value is range and all(isinstance(each, Known) for each in arguments):
            return Known(range(*(each.value for each in arguments if isinstance(each, Known))))
        if before is not None and isinstance(function, Known) and not self.stays(function, arguments):
            try:
                return self.write_out(frame, function.value, list(arguments), before, used)
            except NotWrittenOut:
                pass
        given = [self.code(each) for each in arguments]
        if isinstance(function, Known) and isinstance(function.value, MethodType) and function.value.__func__ in self.instead:
            return Code(self.instead[function.value.__func__](*given))
        return Code(ast.Call(self.code(function), given, []))

    def stays(self, function: Known, arguments: Iterable[Value]) -> bool:
        """Whether a call stays one."""
        if any(isinstance(each, Code) and isinstance(each.node, ast.Starred) for each in arguments):
            return True
        called = getattr(function.value, "__func__", function.value)
        return called in self.apart or called in self.instead

    def write_out(self, frame: Frame, function: Any, arguments: list[Value], before: list[ast.stmt], used: bool) -> Value:
        """The function's text into ``before``. A function that ends in one place needs no way out of its text."""
        number = next(self.numbers)
        result, given = f"result_{number}", []

        def returns(inner: Frame, value: Value) -> list[ast.stmt]:
            given.append(value)
            keep: list[ast.stmt] = [ast.Assign([ast.Name(result, ast.Store())], self.code(value))] if used else []
            return [*keep, ast.Break()]

        text = self.text(function, arguments, returns, True, frame.functions)
        if len(given) == 1 and text and isinstance(text[-1], ast.Break):
            before += text[: -2 if used else -1]
            only = given[0]
            if isinstance(only, Known) or not used:
                return only if isinstance(only, Known) else Known(None)
            before.append(text[-2])
            return Code(ast.Name(result, ast.Load()), only.rows)
        before.append(ast.While(ast.Constant(True), text, []))
        return Code(ast.Name(result, ast.Load())) if used else Known(None)

    def code(self, value: Value) -> ast.expr:
        if isinstance(value, Code):
            return value.node
        known = value.value
        if is_plain(value):
            return ast.Constant(known)
        if id(known) not in self.name_of:
            name = f"{getattr(known, '__name__', type(known).__name__)}_k{len(self.name_of)}"
            self.name_of[id(known)] = name
            self.names[name] = known
        return ast.Name(self.name_of[id(known)], ast.Load())


def is_plain(value: Value) -> TypeGuard[Known]:
    """Whether it is known for good, and not an object that may change."""
    if isinstance(value, Code):
        return False
    known = value.value
    return isinstance(known, PLAIN) or (isinstance(known, tuple) and all(isinstance(each, PLAIN) for each in known))


def local(frame: Frame, name: str) -> str:
    return f"{name}_{frame.number}"


def ends(statements: list[ast.stmt]) -> bool:
    """Whether nothing after them is ever reached."""
    if not statements:
        return False
    last = statements[-1]
    if isinstance(last, ast.If):
        return ends(last.body) and ends(last.orelse)
    return isinstance(last, ast.Return | ast.Break | ast.Continue | ast.Raise)


def independent(targets: list[ast.expr], values: list[ast.expr]) -> bool:
    """Whether nothing on the left stands on the right, so that they may be set one after the other."""
    if not all(isinstance(target, ast.Name) for target in targets):
        return all(isinstance(value, ast.Name | ast.Constant) for value in values[1:]) and all(
            isinstance(target, ast.Attribute) for target in targets
        )
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    return not any(isinstance(node, ast.Name) and node.id in names for value in values for node in ast.walk(value))


def leaves_loop(body: list[ast.stmt]) -> bool:
    return any(isinstance(node, ast.Break | ast.Continue) for statement in body for node in ast.walk(statement))


def uniform_field(table: Any, name: str) -> Known | None:
    """What a field holds in all rows of a table, in those too that it has yet to make."""
    rows = list(table.values()) if isinstance(table, Keyed) else list(table)
    if isinstance(table, Keyed) and not (isinstance(table.size, int) and len(rows) >= table.size):
        rows.append(table.make())
    values = [getattr(row, name, None) for row in rows]
    if not values or any(type(value) is not type(values[0]) or value != values[0] for value in values):
        return None
    return Known(values[0]) if isinstance(values[0], int | float) else None
