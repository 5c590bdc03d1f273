"""What a calibration lays over a scenario, and what it warns of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtest.calibration.calibration import Calibration, Identity, nested, overlay_of, read_calibration
from loadtest.calibration.figure import Figure, found, nothing, unknown
from loadtest.cli.calibration_file import laid_over
from sim.gateway.language import load
from tests.loadtest.targets.fitting import fitting

QUEUE = "gateway.queue"
PLACES = found("concurrency", f"{QUEUE}.concurrency", 7, "7 were in service", 7, 7)
ROOM = unknown("waiting room", f"{QUEUE}.waiting", "57 waited and none was refused at once: it holds at least so many", 57)


def calibration(*figures: Figure, declared: Mapping[str, Any] | None = None) -> Calibration:
    return Calibration(Identity("s", "0" * 64, "url", "", {}, "0.1.0"), "2026-11-25T00:00:00+00:00", figures, dict(declared or {}))


def test_a_waiting_room_without_an_end_is_not_left_out_which_would_be_none() -> None:
    made = calibration(PLACES, ROOM)
    assert made.document()["overlay"] == {"gateway": {"queue": {"concurrency": 7, "waiting": "unlimited"}}}
    assert made.cautions() == [f"waiting room: {ROOM.evidence}; laid over as unlimited"]
    assert made.cautions()[0] in made.document()["warnings"]


@pytest.mark.parametrize(("declared", "laid"), [(0, "unlimited"), (56, "unlimited"), (57, 57), (1000, 1000), ("unlimited", "unlimited")])
def test_a_waiting_room_declared_to_be_as_large_as_was_seen_is_right(declared: Any, laid: Any) -> None:
    made = calibration(PLACES, ROOM, declared={f"{QUEUE}.waiting": declared})
    assert made.document()["overlay"]["gateway"]["queue"]["waiting"] == laid
    assert bool(made.cautions()) == (laid != declared)


def test_what_was_not_found_out_at_all_leaves_the_scenario_as_it_is() -> None:
    made = calibration(PLACES, unknown("waiting room", f"{QUEUE}.waiting", "none of 64 requests reached a provider"))
    assert made.overrides() == ["gateway.queue.concurrency=7"]


def test_what_is_laid_over_but_was_not_seen_is_said_whenever_it_is_laid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    law = replace(found("CPU for a call", "gateway.cpu_per_request", {"kind": "constant", "value": "2ms"}, "…"), warning="no law fits")
    made = calibration(PLACES, ROOM, law)
    file = tmp_path / "calibration.yaml"
    file.write_text(made.yaml_text())
    assert read_calibration(file).cautions() == made.cautions()
    assert len(made.cautions()) == 2
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(fitting(tmp_path).yaml_text)
    gateway = load(scenario, laid_over(file, str(scenario), quiet=False)).scenario.gateway
    told = capsys.readouterr().err
    for words in made.cautions():
        assert f"warning: {file}: {words}" in told
    assert gateway.queue is not None
    assert (gateway.queue.concurrency, gateway.queue.waiting) == (7, "unlimited")
    assert gateway.cpu_per_request is not None


def test_a_part_that_is_left_out_as_a_whole_is_not_written_into() -> None:
    figures = [nothing("concurrency", "gateway.queue.concurrency", "64 at once"), nothing("room", "gateway.queue.waiting", "none waited")]
    assert nested(overlay_of(figures, {})) == {"gateway": {"queue": None}}
