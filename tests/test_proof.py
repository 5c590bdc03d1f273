"""The rows of ``python -m tests.proof``: what they name is there, and can be picked."""

from __future__ import annotations

import pytest

from sim.gateway.language import load
from tests.proof import PAGES, ROOT, STAGES, Case, chosen

CASES = [(page, case) for page, told in PAGES.items() for case in told.cases]


@pytest.mark.parametrize(("page", "case"), CASES, ids=[f"{page}: {case.name}" for page, case in CASES])
def test_every_row_is_of_a_scenario_that_loads_with_its_changes(page: str, case: Case) -> None:
    loaded = load(ROOT / "scenarios" / f"{case.scenario}.yaml", case.changes)
    assert loaded.scenario.workload.duration <= 180, "a row is measured in minutes"


def test_every_scenario_of_a_single_stage_has_a_row() -> None:
    there = {path.stem for path in (ROOT / "scenarios" / "validation" / "stages").glob("*.yaml")} - {"base"}
    assert there == set(STAGES)


@pytest.mark.parametrize(
    ("what", "rows"), [("validation/stages/*", len(STAGES)), ("guide-live", len(PAGES["guide-live"].cases)), ("haproxy", 4), ("demo", 2)]
)
def test_rows_are_picked_by_page_target_or_scenario(what: str, rows: int) -> None:
    assert sum(chosen(page, case, [what]) for page, case in CASES) == rows
