"""The gallery: every broken scenario and the message it gets. ``TENFOLD_UPDATE_GOLDEN=1 pytest`` writes the messages anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from sim.gateway.language import load
from sim.scenario.errors import MOST_SHOWN, ScenarioError

GALLERY = Path(__file__).parent / "broken"
NAMES = sorted(path.stem for path in GALLERY.glob("*.yaml"))


def refusal(path: str) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        load(path)
    return caught.value


@pytest.mark.parametrize("name", NAMES)
def test_each_broken_scenario_gets_its_message(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GALLERY)
    message = f"{refusal(f'{name}.yaml')}\n"
    golden = GALLERY / f"{name}.txt"
    if os.environ.get("TENFOLD_UPDATE_GOLDEN"):
        golden.write_text(message, encoding="utf-8")
    assert message == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_each_problem_has_a_file_and_no_message_is_python_or_pydantic(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GALLERY)
    error = refusal(f"{name}.yaml")
    assert all(problem.file for problem in error.problems)
    assert not re.search(r"pydantic|Traceback|<class|Input should|NoneType|Node\(|validation error", str(error))


def test_the_gallery_shows_at_least_twenty() -> None:
    assert len(NAMES) >= 20


def test_the_list_of_problems_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GALLERY)
    error = refusal("more_than_twenty.yaml")
    assert len(error.problems) > MOST_SHOWN
    assert str(error).endswith(f"… and {len(error.problems) - MOST_SHOWN} more")
