"""Every property of the language says what it is, in which unit, and what holds without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim.gateway.language import Scenario, json_schema
from sim.scenario.places import branches, is_model

UNITS = (
    r"plain number|whole number|turns|tokens|calls|requests|users|USD|hour|status|attempts|processes|keys|key|prompts|prompt|answers|"
    r"connections|version|seconds|callers|workers|units|pieces|share|conversation|higher is let in first"
)


def models() -> Iterator[type[BaseModel]]:
    seen: list[Any] = []
    waiting: list[Any] = [Scenario]
    while waiting:
        each = waiting.pop()
        if is_model(each) and each not in seen:
            seen.append(each)
            yield each
            waiting += [inner for field in each.model_fields.values() for inner in branches(field.annotation)]
        elif get_origin(each) in (tuple, dict):
            waiting += [inner for argument in get_args(each) for inner in branches(argument)]


FIELDS = [(model, name, field) for model in models() for name, field in model.model_fields.items()]


@pytest.mark.parametrize("model", list(models()), ids=lambda model: model.__name__)
def test_a_model_says_what_it_is(model: type[BaseModel]) -> None:
    assert model.__doc__


def described(field: FieldInfo, name: str) -> bool:
    """A kind that has one word only is described by its model."""
    return bool(field.description) or (name == "kind" and len(get_args(field.annotation)) == 1)


def test_all_fields_say_what_they_are() -> None:
    assert [f"{model.__name__}.{name}" for model, name, field in FIELDS if not described(field, name)] == []


def test_what_holds_without_a_field_is_said() -> None:
    optional = [(model, name, field.description) for model, name, field in FIELDS if not field.is_required() and field.default is None]
    assert [f"{model.__name__}.{name}" for model, name, said in optional if "default" not in said] == []


def test_bare_numbers_say_their_unit() -> None:
    silent = []
    for model, name, field in FIELDS:
        number = field.annotation if not field.metadata else Annotated[field.annotation, *field.metadata]
        if {int, float} & set(branches(number)) and "Validator" not in repr(number) and not re.search(UNITS, field.description):
            silent.append(f"{model.__name__}.{name}")
    assert silent == []


def test_the_schema_describes_every_property() -> None:
    silent: list[str] = []

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            if isinstance(properties := node.get("properties"), dict):
                silent.extend(f"{path}.{name}" for name, each in properties.items() if each is not True and not each.get("description"))
            for key, child in node.items():
                walk(child, f"{path}.{key}")
        elif isinstance(node, list):
            for index, child in enumerate(node):
                walk(child, f"{path}[{index}]")

    walk(json_schema(), "")
    assert silent == []
