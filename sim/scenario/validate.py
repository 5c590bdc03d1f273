"""Turns a tree into a Scenario, and pydantic's complaints into problems with a place, what was found, what was expected and a hint."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from sim.scenario.errors import Problem, did_you_mean
from sim.scenario.hints import MISPLACED, hint_for
from sim.scenario.model import Scenario
from sim.scenario.places import chosen, is_model, kinds, parts
from sim.scenario.presets import with_presets
from sim.scenario.short_forms import as_written
from sim.scenario.tree import Mark, Node, Steps
from sim.scenario.words import our_word

MOST_EXAMINED = 500
SLIP = 0.8  # so alike, a word is a misspelt one; less alike, the guess may be wrong, and all keys are listed

# pydantic's error type -> what was expected, from the error's context
EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "finite_number": "a finite number",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_too_long": "at most {max_length} characters",
}
PATTERNS = {
    "redis": "redis://host:port/db",
    "/": "provider/model, such as openai/gpt-4o",
    "0-9a-f": "a sha256: 64 hexadecimal digits",
    "": "a name of letters, digits, '.', '_', '-' and ':' that starts with a letter or digit",
}


def validate(root: Node, language: type[Scenario]) -> tuple[Scenario | None, list[Problem]]:
    """The scenario of a tree, or None and its problems. Errors below ``broken`` nodes are left out: they have been told."""
    try:
        return language.model_validate_json(json.dumps(with_presets(root.plain())), strict=True), []
    except ValidationError as failure:
        return None, translate(Form(root, language), failure.errors(include_url=False)[:MOST_EXAMINED])


class Form(NamedTuple):
    """A tree, and the model that it is to be read as."""

    root: Node
    language: type[Scenario]


def translate(form: Form, errors: list[Any]) -> list[Problem]:
    """Problems in the order of the errors. The branches of a union that all failed at one place become one problem."""
    grouped: dict[Steps, tuple[Node, list[Any]]] = {}
    for error in errors:
        path, node, broken = locate(form.root, error["loc"])
        if not broken and not is_echo(error, node):
            step = error["loc"][-1]
            grouped.setdefault((*path, step) if error["type"] == "missing" else path, (node, []))[1].append(error)
    problems = {path: explain(form, path, node, alike) for path, (node, alike) in grouped.items()}
    unknown = {path: problems[path].hint for path, (_, alike) in grouped.items() if alike[0]["type"] == "extra_forbidden"}

    def meant(path: Steps) -> bool:
        """Whether a key that is missing stands there misspelt, which has been told."""
        return any(other[:-1] == path[:-1] and repr(path[-1]) in hint for other, hint in unknown.items())

    return [problems[path] for path, (_, alike) in grouped.items() if alike[0]["type"] != "missing" or not meant(path)]


def locate(root: Node, loc: Steps) -> tuple[Steps, Node, bool]:
    """Where pydantic's location lies in the tree: steps that name no value (tags of unions, ``[key]``) are skipped."""
    node, broken = root, root.broken
    path: Steps = ()
    tagged: set[Steps] = set()
    for step in loc:
        if isinstance(node.value, dict) and step in node.value:
            kind = node.value.get("kind")
            if kind is not None and kind.value == step and path not in tagged and path != ("gateway",):
                tagged.add(path)
                continue
            node = node.value[str(step)]
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
        else:
            continue
        path = (*path, step)
        broken = broken or node.broken
    return path, node, broken


def is_echo(error: Any, node: Node) -> bool:
    """pydantic calls a list too short when its entries were refused; the entries have their own errors."""
    return error["type"] == "too_short" and isinstance(node.value, (list, dict)) and len(node.value) >= error["ctx"]["min_length"]


def explain(form: Form, path: Steps, node: Node, alike: list[Any]) -> Problem:
    error = alike[0]
    kind = error["type"]
    told = as_written(form.root, path)
    if kind == "missing":
        known = field_at(form, path)
        return node.mark.problem("required, but missing", told, known.description or "" if known else "")
    if kind == "extra_forbidden":
        known_keys = keys_at(form, path[:-1])
        hint = our_word(path[-1], known_keys)
        if not any(repr(key) in hint for key in known_keys):  # no other gateway's word for one of them
            hint = did_you_mean(path[-1], known_keys, SLIP) or " ".join(
                filter(None, (hint or did_you_mean(path[-1], known_keys), f"The keys here are {', '.join(sorted(known_keys))}."))
            )
        hint = MISPLACED.get(path, hint)
        if path[-1] == "<<":
            hint = "merge keys are not part of the language; use `extends`, or repeat the values"
        return key_mark(form.root, path).problem("unknown key", told, hint)
    if kind.startswith("union_tag"):
        return explain_kind(form, path, node, error)
    if error["loc"][-1] == "[key]":
        return key_mark(form.root, path).problem(f"expected {expectation(error)} as key", told)
    expected = list(dict.fromkeys(expectation(each) for each in alike))
    return node.mark.problem(f"expected {' or '.join(expected)}, found {show(node)}", told, hint_for(written(node).value, expected))


def explain_kind(form: Form, path: Steps, node: Node, error: Any) -> Problem:
    allowed = [tag.strip().strip("'") for tag in error.get("ctx", {}).get("expected_tags", "").split(",") if tag]
    if not isinstance(node.value, dict):
        told, hint = as_written(form.root, path), hint_for(node.value, ["a mapping"])
        return node.mark.problem(f"expected a mapping with a kind, found {show(node)}", told, hint)
    told = as_written(form.root, (*path, "kind"))
    if "kind" not in node.value:
        return node.mark.problem("required, but missing", told, f"it is one of {', '.join(kinds_at(form, path))}")
    tag = node.value["kind"]
    hint = our_word(tag.value, allowed) or did_you_mean(tag.value, allowed)
    return tag.mark.problem(f"expected one of {', '.join(allowed)}, found {show(tag)}", told, hint)


def expectation(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "").replace(" or ", ", ")
    if kind == "string_pattern_mismatch":
        return next(text for mark, text in PATTERNS.items() if mark in context["pattern"])
    if kind in EXPECTED:
        return EXPECTED[kind].format(**{name: f"{each:g}" if isinstance(each, float) else each for name, each in context.items()})
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("expected ")


def node_at(root: Node, path: Steps) -> Node:
    """The node at ``path``, or the nearest one above it."""
    node = root
    for step in path:
        if isinstance(node.value, dict) and step in node.value:
            node = node.value[str(step)]
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
    return node


def written(node: Node) -> Node:
    """The node as its author wrote it, where that was a short form."""
    while node.written is not None:
        node = node.written
    return node


def show(node: Node) -> str:
    """What stands there, short and safe to print."""
    node = written(node)
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return str(node.value).lower()
    if isinstance(node.value, str):
        return repr(node.value if len(node.value) <= 60 else node.value[:57] + "...")
    if isinstance(node.value, list):
        return f"a list of {len(node.value)}"
    if isinstance(node.value, dict):
        few = list(node.value)[:4]
        more = ", …" if len(node.value) > len(few) else ""
        return f"a mapping ({', '.join(repr(key)[1:-1] for key in few)}{more})" if few else "an empty mapping"
    return str(node.value)


def key_mark(root: Node, path: Steps) -> Mark:
    """Where the last step of ``path`` is written: its key, not its value."""
    return node_at(root, path[:-1]).keys[str(path[-1])]


def keys_at(form: Form, path: Steps) -> set[str]:
    """The keys that the mapping at ``path`` may hold."""
    return {field.alias or name for model in models_at(form, path) for name, field in model.model_fields.items()}


def field_at(form: Form, path: Steps) -> Any:
    fields = (item for model in models_at(form, path[:-1]) for item in model.model_fields.items())
    return next((field for name, field in fields if path[-1] in (name, field.alias)), None)


def kinds_at(form: Form, path: Steps) -> list[str]:
    return [kind for model in models_at(form, path) for kind in kinds(model)]


def models_at(form: Form, path: Steps) -> list[type[BaseModel]]:
    """The models that the value at ``path`` may be, chosen by its ``kind`` where there are several."""
    types: list[Any] = [form.language]
    for depth, step in enumerate(path):
        types = [inner for outer in chosen(types, node_at(form.root, path[:depth])) for inner in parts(outer, step)]
    return [model for model in chosen(types, node_at(form.root, path)) if is_model(model)]
