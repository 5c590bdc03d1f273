"""The rows of ``python -m tests.chaos_proof``: what they name is there, short, and within what their gateways can do."""

from __future__ import annotations

import pytest

from loadtest.cli.chaos import changes_of, names
from loadtest.targets import find_target
from sim.gateway.language import load
from tests.chaos_proof import GROUPS, LIBRARY, ROOT, Case, chosen, verdict

CASES = [(group, case) for group, cases in GROUPS.items() for case in cases]


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[case.key for _, case in CASES])
def test_every_row_loads_with_its_changes_lasts_a_minute_or_two_and_is_what_its_gateway_can_do(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (name,) = names(case.name)
    laid = dict(zip(case.laid[::2], case.laid[1::2], strict=True))
    under = laid.get("--on")
    loaded = load(under or name, changes_of(name, under, laid.get("--duration"), case.changes))
    assert find_target(case.target).cannot(loaded) == []
    assert loaded.scenario.workload.duration <= 120
    assert loaded.scenario.faults


def test_no_row_is_there_twice() -> None:
    assert len({case.key for _, case in CASES}) == len(CASES)
    assert len({case.name for case in LIBRARY}) == len(LIBRARY)


@pytest.mark.parametrize(("what", "rows"), [("haproxy", 3), ("storm", 7), ("*50% load*", 2), ("provider_hang", 7), ("nothing", 0)])
def test_rows_are_picked_by_group_target_or_scenario(what: str, rows: int) -> None:
    assert sum(chosen(group, case, [what]) for group, case in CASES) == rows


@pytest.mark.parametrize(
    ("during", "recovery", "words"),
    [
        (True, True, "agrees; as published: recovers"),
        (False, True, "differs: available during; as published: recovers"),
        (None, False, "differs: time to recover; as published: recovers"),
    ],
)
def test_a_row_says_what_differs_and_whether_it_ends_as_published(during: bool | None, recovery: bool, words: str) -> None:
    said = {
        "why_invalid": [],
        "agreement": {"availability": {"during": {"ok": during}}, "recovery": {"ok": recovery}},
        "prediction": {"recovered": True},
        "measurement": {"recovered": True},
    }
    assert verdict(Case("retry_storm", published=True), said) == words


def test_a_disturbed_row_says_nothing_else() -> None:
    assert verdict(Case("retry_storm"), {"why_invalid": ["late"], "agreement": {}}) == "invalid: late"
