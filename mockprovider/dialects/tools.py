"""The smallest value that fits a JSON Schema: what a mock model calls a tool with, or answers a JSON format with."""

from __future__ import annotations

from typing import Any

import orjson

DEEPEST = 16


def example(schema: Any, depth: int = 0) -> Any:
    """An instance of ``schema`` with its required properties only; unknown or too deep schemas give an empty object."""
    if not isinstance(schema, dict) or depth > DEEPEST:
        return {}
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(choice), list) and schema[choice]:
            return example(schema[choice][0], depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    match kind:
        case "string" | "STRING":
            return "mock"
        case "integer" | "INTEGER":
            return int(number(schema))
        case "number" | "NUMBER":
            return number(schema)
        case "boolean" | "BOOLEAN":
            return True
        case "null":
            return None
        case "array" | "ARRAY":
            least = schema.get("minItems")
            return [example(schema.get("items"), depth + 1)] * (min(least, 100) if isinstance(least, int) and least > 0 else 0)
        case _:
            return members(schema, depth)


def number(schema: dict[str, Any]) -> float:
    least = schema.get("minimum", 1)
    return least if isinstance(least, (int, float)) else 1


def members(schema: dict[str, Any], depth: int) -> dict[str, Any]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return {}
    return {name: example(properties.get(name), depth + 1) for name in required if isinstance(name, str)}


def arguments(schema: Any) -> str:
    return orjson.dumps(example(schema)).decode()


def definition_tokens(tools: Any) -> int:
    """Input tokens that tool definitions cost: four characters of their JSON each."""
    return -(-len(orjson.dumps(tools)) // 4) if tools else 0
