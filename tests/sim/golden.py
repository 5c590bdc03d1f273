"""Golden files: what a document said when somebody last looked at it. ``TENFOLD_UPDATE_GOLDEN=1 pytest`` writes them anew."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "golden"


def matches_golden_json(document: Any, name: str) -> None:
    """Equal up to the last digits of numbers, which differ between processors."""
    expected = json.loads(golden(name, json.dumps(document, indent=1) + "\n"))
    assert_close(json.loads(json.dumps(document)), expected, name)


def matches_golden_text(text: str, name: str) -> None:
    assert text == golden(name, text)


def golden(name: str, found: str) -> str:
    path = FOLDER / name
    if os.environ.get("TENFOLD_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def assert_close(found: Any, expected: Any, at: str) -> None:
    if isinstance(expected, dict):
        assert list(found) == list(expected), at
        for key, value in expected.items():
            assert_close(found[key], value, f"{at}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), at
        for index, value in enumerate(expected):
            assert_close(found[index], value, f"{at}[{index}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9), at
    else:
        assert found == expected, at
