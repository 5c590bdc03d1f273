"""The model and a real chaos run agree within two points of availability by phase and a fifth of the time to recover."""

from typing import Any

import pytest

from sim.analysis.chaos_agreement import agreement


def document(after: float | None = 0.99, recovered: bool | None = True, time_s: float | None = 10.0) -> dict[str, Any]:
    phases = {phase: {"availability": {"value": value}} for phase, value in (("before", 1.0), ("during", 0.5), ("after", after))}
    return {"phases": phases, "recovered": recovered, "recovery_time_s": time_s, "recovery": {"window_s": 5.0}}


@pytest.mark.parametrize(
    ("measured", "ok"),
    [
        (document(), True),
        (document(after=0.975), True),
        (document(after=0.96), False),
        (document(after=None), True),
        (document(time_s=12.0), True),
        (document(time_s=11.0), True),
        (document(time_s=13.0), False),
        (document(recovered=False, time_s=None), False),
        (document(recovered=None, time_s=None), True),
    ],
    ids=["alike", "1.5 points", "3 points", "too few", "2 s of 12 s", "one step", "3 s of 13 s", "never", "cannot say"],
)
def test_what_agrees(measured: dict[str, Any], ok: bool) -> None:
    assert agreement(document(), measured)["ok"] is ok


def test_two_that_never_recover_agree() -> None:
    stuck = document(after=0.0, recovered=False, time_s=None)
    assert agreement(stuck, stuck)["recovery"] == {"predicted": None, "measured": None, "ok": True}


def test_a_short_recovery_is_known_to_one_step_of_its_window() -> None:
    assert agreement(document(time_s=1.0), document(time_s=2.0))["recovery"]["ok"] is True
    assert agreement(document(time_s=1.0), document(time_s=3.0))["recovery"]["ok"] is False
