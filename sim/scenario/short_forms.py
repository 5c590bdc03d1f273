"""What people write first, and what it stands for: ``input: 400`` is a constant, ``sessions: redis`` a mapping that says no more.

The tree is put into the long form before files are merged and validated, so that nothing after knows of short forms. A model's
``SHORT`` is the key whose value may stand for the whole mapping. Where one of several kinds may stand, a quantity stands for the one that
has a ``SHORT`` (a constant distribution, Poisson arrivals), and a word is the kind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_origin

from pydantic import BaseModel

from sim.scenario.places import branches, chosen, is_model, kinds, parts
from sim.scenario.tree import Node, Steps


def in_long_form(root: Node, language: type[BaseModel]) -> Node:
    """The tree with its short forms written out. What stands for nothing stays as it is, for validation to refuse."""
    return lengthened(root, [language])


def lengthened(node: Node, types: list[Any]) -> Node:
    if node.broken or node.value is None or not any(has_parts(each) for each in types):
        return node
    if isinstance(node.value, list):
        items = [inner for each in types if get_origin(each) is tuple for inner in parts(each, 0)]
        return node if not items else replace(node, value=[lengthened(child, items) for child in node.value])
    if any(get_origin(each) is tuple for each in types):
        return lengthened(Node(node.mark, [node], size=node.size + 1, depth=node.depth + 1, written=node), types)
    if isinstance(node.value, dict):
        fitting = chosen(types, node)
        below = {key: [inner for each in fitting for inner in parts(each, key)] for key in node.value}
        return replace(node, value={key: lengthened(child, below[key]) for key, child in node.value.items()})
    return spelt_out(node, [each for each in types if is_model(each)])


def has_parts(each: Any) -> bool:
    return is_model(each) or get_origin(each) in (tuple, dict)


def spelt_out(node: Node, models: list[type[BaseModel]]) -> Node:
    """The mapping that a single value stands for, where it stands for one."""
    if not models or isinstance(node.value, bool) or ":" in str(node.value):  # ``total:45s`` lacks a space
        return node
    if len(models) == 1 and (key := short_key(models[0])):
        types = [inner for inner in branches(models[0].model_fields[key].annotation) if has_parts(inner)]
        return mapping(node, {key: lengthened(node, types)})
    tagged = [model for model in models if kinds(model)]
    if is_quantity(node.value):
        for model in tagged:
            if key := short_key(model):
                return mapping(node, {"kind": Node(node.mark, kinds(model)[0]), key: node})
        return node
    return mapping(node, {"kind": node}) if tagged else node


def short_key(model: type[BaseModel]) -> str:
    return str(getattr(model, "SHORT", ""))


def is_quantity(value: Any) -> bool:
    return not isinstance(value, str) or value.strip()[:1] in "0123456789.+-"


def mapping(node: Node, value: dict[str, Node]) -> Node:
    return Node(node.mark, value, dict.fromkeys(value, node.mark), len(value) + 1, 2, written=node)


def as_written(root: Node, path: Steps) -> Steps:
    """A path of the long form as its author knows it: without the steps that a short form leaves out."""
    node = root
    told: list[str | int] = []
    for number, step in enumerate(path):
        if isinstance(node.value, dict) and step in node.value:
            child = node.value[str(step)]
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            child = node.value[step]
        else:
            return (*told, *path[number:])
        if node.written is None:
            told.append(step)
        node = child
    return tuple(told)
