"""Reading fields of a request body: the value, or the refusal that names the field as the provider would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MOST_MESSAGES = 2048
MOST_PARTS = 2048

Refuse = Callable[[str, str, str], Exception]
"""(kind of mistake: missing | type | value, field, what was expected) -> the exception to raise."""

NAMES = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string", list: "an array", dict: "an object", type(None): "null"}


def kind_of(value: Any) -> str:
    return NAMES.get(type(value), "something else")


class Fields:
    """Typed access to one JSON object. Every method takes a name and raises what ``refuse`` builds."""

    __slots__ = ("_at", "_refuse", "raw")

    def __init__(self, raw: dict[str, Any], refuse: Refuse, at: str = "") -> None:
        self.raw = raw
        self._refuse = refuse
        self._at = at

    def _typed(self, name: str, types: tuple[type, ...], expected: str, required: bool) -> Any:
        value = self.raw.get(name)
        if value is None:
            if required:
                raise self._refuse("missing", self._at + name, expected)
            return None
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise self._refuse("type", self._at + name, f"expected {expected}, but got {kind_of(value)} instead")
        return value

    def string(self, name: str, required: bool = False) -> str | None:
        value: str | None = self._typed(name, (str,), "a string", required)
        return value

    def flag(self, name: str) -> bool:
        return bool(self._typed(name, (bool,), "a boolean", False))

    def count(self, name: str, required: bool = False, least: int = 1) -> int | None:
        value: int | None = self._typed(name, (int,), "an integer", required)
        if value is not None and value < least:
            raise self._refuse("value", self._at + name, f"expected a value >= {least}, but got {value} instead")
        return value

    def number(self, name: str, low: float, high: float) -> None:
        value = self._typed(name, (int, float), "a number", False)
        if value is not None and not low <= value <= high:
            raise self._refuse("value", self._at + name, f"expected a value between {low:g} and {high:g}, but got {value} instead")

    def object(self, name: str, required: bool = False) -> Fields | None:
        value = self._typed(name, (dict,), "an object", required)
        return None if value is None else Fields(value, self._refuse, f"{self._at}{name}.")

    def objects(self, name: str, required: bool = False, most: int = MOST_MESSAGES) -> list[Fields]:
        value = self._typed(name, (list,), "an array of objects", required)
        if value is None:
            return []
        if len(value) > most:
            raise self._refuse("value", self._at + name, f"expected an array with at most {most} items, but got {len(value)} instead")
        for i, item in enumerate(value):
            if not isinstance(item, dict):
                raise self._refuse("type", f"{self._at}{name}[{i}]", f"expected an object, but got {kind_of(item)} instead")
        return [Fields(item, self._refuse, f"{self._at}{name}[{i}].") for i, item in enumerate(value)]

    def text(self, name: str, required: bool = False) -> tuple[str, int]:
        """A string or an array of content parts -> (its text, the number of parts that are not text)."""
        value = self.raw.get(name)
        if isinstance(value, str):
            return value, 0
        if value is None:
            if required:
                raise self._refuse("missing", self._at + name, "a string or an array of content parts")
            return "", 0
        if not isinstance(value, list):
            raise self._refuse("type", self._at + name, f"expected a string or an array of objects, but got {kind_of(value)} instead")
        texts, others = [], 0
        for part in self.objects(name, most=MOST_PARTS):
            spoken = part.raw.get("text", part.raw.get("content"))
            if isinstance(spoken, str):
                texts.append(spoken)
            else:
                others += 1
        return "".join(texts), others
