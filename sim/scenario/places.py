"""What may stand where in a scenario, by the types of the language's models."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel

from sim.scenario.errors import did_you_mean
from sim.scenario.tree import Node


def is_model(each: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(each, type) and issubclass(each, BaseModel)


def chosen(types: list[Any], node: Node) -> list[Any]:
    """Those of several that a value may be: by its ``kind``, or by its other keys where they leave fewer."""
    if not isinstance(node.value, dict):
        return types
    tagged = [each for each in types if is_model(each) and kinds(each)]
    if "kind" in node.value:
        kind = node.value["kind"].value
        return [each for each in tagged if kind in kinds(each)] or types
    return fits(set(node.value), tagged) or types


def fits(keys: set[str], models: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """The models that a mapping of these keys may be. One that takes any keys counts only where they are plainly no other's."""
    found = [each for each in models if keys and required(each) <= keys <= known(each)]
    if found or any(did_you_mean(key, known(each)) for key in keys for each in models):
        return found
    return [each for each in models if getattr(each, "FREE_KEYS", "")] if keys else []


def known(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()} - {"kind"}


def required(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items() if field.is_required()} - {"kind"}


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
