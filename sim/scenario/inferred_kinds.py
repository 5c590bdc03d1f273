"""A mapping without its ``kind``, where its other keys leave one choice: ``arrivals: {rate: 5/s}``, ``routing: {models: [a/m, b/m]}``.

The kinds that a mapping may be of are those that know all its keys, and find all that they require. Of several the one is meant whose
``SHORT`` stands for the whole mapping elsewhere (Poisson arrivals); otherwise the kind is asked for. This is done after files are merged:
a file that states differences does not repeat the kind of its base.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_origin

from pydantic import BaseModel

from sim.scenario.distributions import Exponential, Geometric
from sim.scenario.places import chosen, fits, is_model, kinds, parts
from sim.scenario.short_forms import short_key
from sim.scenario.tree import Node


def with_kinds(root: Node, language: type[BaseModel]) -> Node:
    """The tree with the kinds that follow from the other keys. Where none or several would do, nothing is added."""
    return filled(root, [language])


def filled(node: Node, types: list[Any]) -> Node:
    if node.broken or not types:
        return node
    if isinstance(node.value, list):
        items = [inner for each in types if get_origin(each) is tuple for inner in parts(each, 0)]
        return replace(node, value=[filled(child, items) for child in node.value])
    if not isinstance(node.value, dict):
        return node
    value, kind = node.value, kind_of(node, types)
    if kind is not None:
        value = {"kind": Node(node.mark, kind), **value}
        node = replace(node, value=value, keys={"kind": node.mark, **node.keys})
    fitting = chosen(types, node)
    below = {key: [inner for each in fitting for inner in parts(each, key)] for key in value}
    return replace(node, value={key: filled(child, below[key]) for key, child in value.items()})


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 1


def kind_of(node: Node, types: list[Any]) -> Any:
    models = [each for each in types if is_model(each) and kinds(each) and each.model_fields["kind"].is_required()]
    value = node.value
    if not models or not isinstance(value, dict) or "kind" in value or len(models) < len([each for each in types if is_model(each)]):
        return None
    fitting = fits(set(value), models)
    plain: list[Any] = [each for each in fitting if short_key(each)] or fitting
    if set(plain) == {Exponential, Geometric}:  # a mean alone is the memoryless law, of whole numbers where it is one
        plain = [Geometric if is_number(value["mean"].value) else Exponential]
    return kinds(plain[0])[0] if len(plain) == 1 else None
