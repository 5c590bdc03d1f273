"""What is finished is kept and not computed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.gateway.language import load
from sim.whatif import evaluator as module
from sim.whatif.evaluator import Evaluator
from sim.whatif.kept import Kept, NotOurs, open_folder
from tests.sim.whatif.documents import SCENARIO, document


def test_a_folder_gives_back_what_was_put(tmp_path: Path) -> None:
    Kept(tmp_path).put("one", document(1.0))
    again = Kept(tmp_path)
    assert again.get("one", ["latency_s.p99"]) == document(1.0)
    assert again.get("one", ["goodput"]) is None
    assert again.get("two", []) is None


def test_a_damaged_or_foreign_file_counts_as_none(tmp_path: Path) -> None:
    Kept(tmp_path).put("one", document(1.0))
    (tmp_path / "configurations" / "one.json").write_text('{"format": 1')
    assert Kept(tmp_path).get("one", []) is None
    (tmp_path / "configurations" / "one.json").write_text('{"format": 1, "tenfold": "another", "evaluation": {}}')
    assert Kept(tmp_path).get("one", []) is None


def test_a_configuration_is_evaluated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.yaml").write_text(SCENARIO)
    asked: list[int] = []
    monkeypatch.setattr(module, "evaluate", lambda job, _=None: asked.append(job.scenario.gateway.queue.concurrency) or document(1.0))
    several = [load(tmp_path / "small.yaml", [f"gateway.queue.concurrency={number}"]) for number in (5, 6, 5)]
    told: list[int] = []
    evaluator = Evaluator(7, 2, "simpy", ("latency_s.p99",), 3, Kept(tmp_path))
    assert len(evaluator.each(several, 1.0, lambda done, last: told.append(done))) == 3
    assert (asked, told) == ([5, 6], [0, 2, 3])
    Evaluator(7, 2, "simpy", ("latency_s.p99",), 3, Kept(tmp_path)).each(several, 1.0, lambda done, last: told.append(done))
    assert (asked, told[3:]) == ([5, 6], [3])
    Evaluator(8, 2, "simpy", ("latency_s.p99",), 3, Kept(tmp_path)).each(several, 1.0)
    assert asked == [5, 6, 5, 6]


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SCENARIO)
    base = load(tmp_path / "small.yaml")
    with pytest.raises(NotOurs, match="exists already and holds no sweep"):
        open_folder(tmp_path, "sweep", base)
    open_folder(tmp_path / "kept", "sweep", base)
    open_folder(tmp_path / "kept", "sweep", base)
    with pytest.raises(NotOurs, match="holds a sweep, not a plan"):
        open_folder(tmp_path / "kept", "plan", base)
    with pytest.raises(NotOurs, match="holds a sweep of another scenario"):
        open_folder(tmp_path / "kept", "sweep", load(tmp_path / "small.yaml", ["seed=5"]))
