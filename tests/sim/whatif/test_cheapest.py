"""The search for the cheapest configuration, on costs that are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sim.gateway.language import load
from sim.scenario.load import Loaded
from sim.whatif.cheapest import minimise_document, search
from sim.whatif.evaluation import COST
from sim.whatif.variation import parse_knobs
from tests.sim.whatif.documents import SCENARIO, document

BUDGETS = ("latency.p99 < 2s",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SCENARIO)
    return tmp_path / "small.yaml"


def known(several: Sequence[Loaded]) -> list[dict[str, Any]]:
    """The cost grows with both knobs, the P99 falls with concurrency and reaches 2 s at 50."""
    queues = [loaded.scenario.gateway.queue for loaded in several]
    return [document(100 / each.concurrency, each.concurrency + each.waiting, budgets=BUDGETS) for each in queues]


def searched(path: Path, most: int, *knobs: str) -> dict[str, Any]:
    found = search(parse_knobs(knobs), lambda changes: load(path, changes), known, COST, most, 7)
    return minimise_document(load(path), found, COST, 7, [knob.partition("=")[0] for knob in knobs], lambda settings, _: str(settings))


def test_few_combinations_are_all_tried(path: Path) -> None:
    found = searched(path, 50, "gateway.queue.concurrency=40..60", "gateway.queue.waiting=0,9")
    assert found["method"] == "all 42 combinations"
    assert found["configurations"][found["best"]]["settings"] == {"gateway.queue.concurrency": "51", "gateway.queue.waiting": "0"}
    assert found["answer"].startswith(
        "Lowest cost per month within all budgets: gateway.queue.concurrency=51 gateway.queue.waiting=0: $51.00"
    )
    assert found["command"] == "(('gateway.queue.concurrency', '51'), ('gateway.queue.waiting', '0'))"


def test_many_are_searched_and_no_more_predicted_than_allowed(path: Path) -> None:
    found = searched(path, 120, "gateway.queue.concurrency=1..400", "gateway.queue.waiting=0..400")
    assert found["method"].startswith("differential evolution (scipy)")
    assert len(found["configurations"]) <= 121
    assert len({str(row["settings"]) for row in found["configurations"]}) == len(found["configurations"])
    best = found["configurations"][found["best"]]
    assert best["holds"]
    assert best["figures"][COST]["value"] < 75  # the least is 51, the average of all 400
    assert found == searched(path, 120, "gateway.queue.concurrency=1..400", "gateway.queue.waiting=0..400")


def test_if_nothing_holds_there_is_no_best(path: Path) -> None:
    found = searched(path, 50, "gateway.queue.concurrency=10,20")
    assert found["best"] == 0  # as it stands, 64
    assert "it is the scenario as it stands" in found["answer"]
    path.write_text(SCENARIO.replace("concurrency: 64", "concurrency: 5"))
    found = searched(path, 50, "gateway.queue.concurrency=10,20")
    assert (found["best"], found["command"], found["tradeoff"]) == (None, None, [])
    assert found["answer"].endswith("the closest is gateway.queue.concurrency=20, which breaks latency.p99 < 2s (5.00 s).")
