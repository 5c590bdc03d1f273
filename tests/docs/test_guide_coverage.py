"""The coverage table of the guide: no empty cell, and whatever a cell names is there."""

from __future__ import annotations

import re

import pytest

from sim.scenario.shipped import shipped_names
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "guide-coverage.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|") and "---" not in line]
PLACES = {"s/": "sim/gateway/stages/", "t/": "tests/", "g/": "scenarios/guide/"}
NAMED = sorted({name for row in ROWS for cell in row for name in re.findall(r"`([\w./*]+/[\w./*]+)`", cell)})


def test_no_cell_is_empty_and_what_is_missing_is_named() -> None:
    assert len(ROWS) > 50
    assert [row for row in ROWS if len(row) != 5 or not all(row)] == []
    assert [row for row in ROWS if any(cell in ("missing", "missing:") for cell in row)] == []


@pytest.mark.parametrize("name", NAMED)
def test_what_a_cell_names_is_there(name: str) -> None:
    if name in shipped_names():
        return
    path = next((place + name[2:] for short, place in PLACES.items() if name.startswith(short)), name)
    assert any(list(ROOT.glob(path + suffix)) for suffix in ("", ".py", ".yaml"))
