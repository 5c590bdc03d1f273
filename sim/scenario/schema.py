"""The scenario language as JSON Schema: what ``tenfold schema`` prints and editors complete from."""

from __future__ import annotations

import copy
import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from sim.scenario.units import Seconds

EXTENDS = {"type": "string", "description": "another scenario file, relative to this one, of which this file states the differences"}


class Generate(GenerateJsonSchema):
    """Writes default durations as a scenario writes them."""

    def encode_default(self, dft: Any) -> Any:
        return f"{dft:.12g}s" if isinstance(dft, Seconds) else super().encode_default(dft)


def json_schema(language: type[BaseModel]) -> dict[str, Any]:
    """The schema of a whole scenario's model, draft 2020-12.

    A file that has ``extends`` may leave out what its base says; every other file must be complete."""
    whole = language.model_json_schema(schema_generator=Generate)
    definitions = whole.pop("$defs")
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
