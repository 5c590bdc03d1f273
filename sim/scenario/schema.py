"""The scenario language as JSON Schema: what ``tenfold schema`` prints and editors complete from."""

from __future__ import annotations

import copy
import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from sim.scenario.places import kinds
from sim.scenario.short_forms import short_key
from sim.scenario.units import Seconds

EXTENDS = {"type": "string", "description": "another scenario file, relative to this one, of which this file states the differences"}


class Generate(GenerateJsonSchema):
    """Accepts short forms, and writes default durations as a scenario writes them."""

    def tuple_schema(self, schema: Any) -> Any:
        """A list; one item may stand for a list of one."""
        made = super().tuple_schema(schema)
        return {"anyOf": [made, made["items"]]} if "items" in made else made

    def definitions_schema(self, schema: Any) -> Any:
        self.known = {each["ref"]: each for each in schema["definitions"]}
        return super().definitions_schema(schema)

    def tagged_union_schema(self, schema: Any) -> Any:
        """One of several kinds; the word alone where it says all, a quantity for the kind that has a ``SHORT``."""
        made = super().tagged_union_schema(schema)
        models = [self.known[choice["schema_ref"]] if "schema_ref" in choice else choice for choice in schema["choices"].values()]
        models = [each for each in models if each["type"] == "model"]
        words = [kind for each in models if required(each["cls"]) == {"kind"} for kind in kinds(each["cls"])]
        short = [{"enum": words}] if words else []
        short += [self.short_form(each) for each in models if short_key(each["cls"])]
        return {"anyOf": [made, *short]} if short else made

    def model_schema(self, schema: Any) -> Any:
        """A kind that names its own model is described by what that says of itself."""
        made, key = super().model_schema(schema), short_key(schema["cls"])
        tag = made.get("properties", {}).get("kind")
        if tag is not None and "description" not in tag and "description" in made:
            tag["description"] = made["description"]
        alone = key and (key == "kind" or not kinds(schema["cls"])) and not required(schema["cls"]) - {key}
        return {"anyOf": [made, self.short_form(schema)]} if alone else made

    def short_form(self, schema: Any) -> Any:
        """What stands for a whole model: the value of its ``SHORT``."""
        inner = schema["schema"]
        while "fields" not in inner:
            inner = inner["schema"]
        field = inner["fields"][short_key(schema["cls"])]["schema"]
        return self.generate_inner(field["schema"] if field["type"] == "default" else field)

    def encode_default(self, dft: Any) -> Any:
        return f"{dft:.12g}s" if isinstance(dft, Seconds) else super().encode_default(dft)


def required(model: type[BaseModel]) -> set[str]:
    return {name for name, field in model.model_fields.items() if field.is_required()}


def json_schema(language: type[BaseModel]) -> dict[str, Any]:
    """The schema of a whole scenario's model, draft 2020-12.

    A file that has ``extends`` may leave out what its base says; every other file must be complete."""
    whole = language.model_json_schema(schema_generator=Generate)
    definitions = whole.pop("$defs")
    kinds_may_follow(whole["properties"], definitions)
    kinds_may_follow(definitions, definitions)
    partial = optional({"properties": whole["properties"], "$defs": definitions})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tenfold scenario",
        "description": "One file that drives the model, the mock providers, the gateway, the load, the faults and the budgets.",
        "type": "object",
        "properties": {"extends": EXTENDS} | dict.fromkeys(whole["properties"], True),
        "additionalProperties": False,
        "if": {"required": ["extends"]},
        "then": {"properties": partial["properties"]},
        "else": {"properties": whole["properties"], "required": whole["required"]},
        "$defs": definitions | {f"Partial{name}": body for name, body in partial["$defs"].items()},
    }


def kinds_may_follow(node: Any, definitions: dict[str, Any]) -> None:
    """In place: where one of several kinds may stand, ``kind`` may be left out. Whether it then follows is for the loader to say."""
    if isinstance(node, dict):
        if "discriminator" in node and "oneOf" in node:
            node["anyOf"] = node.pop("oneOf")
            for each in node["anyOf"]:
                model = definitions[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
                for form in (model, *model.get("anyOf", ())):
                    if "kind" in form.get("required", ()):
                        form["required"] = [name for name in form["required"] if name != "kind"]
        for value in node.values():
            kinds_may_follow(value, definitions)
    elif isinstance(node, list):
        for value in node:
            kinds_may_follow(value, definitions)


def optional(schema: dict[str, Any]) -> dict[str, Any]:
    """A copy in which nothing but ``kind`` is required and references lead to the copies."""

    def loosen(node: Any) -> Any:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "$ref":
                    node[key] = value.replace("#/$defs/", "#/$defs/Partial")
                elif key == "mapping":
                    node[key] = {tag: where.replace("#/$defs/", "#/$defs/Partial") for tag, where in value.items()}
                elif key == "required" and isinstance(value, list):
                    node[key] = [name for name in value if name == "kind"]
                else:
                    loosen(value)
        elif isinstance(node, list):
            for value in node:
                loosen(value)
        return node

    result: dict[str, Any] = loosen(copy.deepcopy(schema))
    return result


def as_text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
