"""What a plain (unquoted) YAML scalar means here: YAML 1.2's core rules, without the surprises of YAML 1.1.

``yes``, ``no``, ``on`` and ``off`` are text, ``12:30`` is not a number in base 60, ``1e3`` is 1000. What two YAML versions read
differently without complaint (``017``, ``1_000``) is refused.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

WORDS: dict[str, Scalar] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
UNDERSCORES = re.compile(r"[-+]?[0-9]+(_[0-9]+)+(\.[0-9_]*)?")
MOST_DIGITS = 40


def resolve(text: str) -> Scalar:
    """The value of a plain scalar. Raises ValueError (found, expected, what to do) for one that no scenario may hold."""
    if text in WORDS:
        return WORDS[text]
    if NOT_FINITE.fullmatch(text):
        raise ValueError(f"expected a finite number, found {text}")
    if LEADING_ZERO.fullmatch(text):
        plain = text.lstrip("+-").lstrip("0") or "0"
        raise ValueError(f"a number with a leading zero ({text}) means different things to different readers: write {plain}, or quote it")
    if UNDERSCORES.fullmatch(text):
        raise ValueError(f"expected a number without underscores: write {text.replace('_', '')}, or quote it")
    if DECIMAL.fullmatch(text):
        return number(text)
    return text


def number(text: str) -> int | float:
    if INTEGER.fullmatch(text):
        if len(text) > MOST_DIGITS:
            raise ValueError(f"expected a number of at most {MOST_DIGITS} digits, found one of {len(text)}")
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, found {text[:MOST_DIGITS]}, which is too large to hold")
    return value
