"""What may stand where in a scenario, by the types of the language's models."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel

from sim.scenario.tree import Node


def is_model(each: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(each, type) and issubclass(each, BaseModel)


def chosen(types: list[Any], node: Node) -> list[Any]:
    kind = node.value["kind"].value if isinstance(node.value, dict) and "kind" in node.value else None
    fitting = [each for each in types if is_model(each) and kind in kinds(each)]
    return fitting or types


def kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    return get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()


def parts(outer: Any, step: str | int) -> list[Any]:
    """The types of what stands at ``step`` in a value of type ``outer``."""
    if is_model(outer):
        fields = [field for name, field in outer.model_fields.items() if step in (name, field.alias)]
        if not fields and (free := getattr(outer, "FREE_KEYS", "")):
            return parts(branches(outer.model_fields[free].annotation)[0], step)
        return [inner for field in fields for inner in branches(field.annotation)]
    arguments = get_args(outer)
    if get_origin(outer) is tuple:
        return branches(arguments[0])
    return branches(arguments[1]) if get_origin(outer) is dict else []


def branches(annotation: Any) -> list[Any]:
    """The alternatives of an annotation, without Annotated and Optional."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return branches(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [inner for branch in get_args(annotation) for inner in branches(branch)]
    return [annotation]
