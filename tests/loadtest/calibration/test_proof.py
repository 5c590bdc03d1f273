"""How the proof of the calibration judges what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadtest.calibration.figure import Figure, found, nothing, unknown
from tests.calibration_proof.judge import NOTHING, OPEN, RIGHT, WRONG, judge


def verdicts(configured: Mapping[str, Any], *figures: Figure, overlay: Mapping[str, Any] | None = None) -> list[str]:
    document = {"figures": [figure.document() for figure in figures], "overlay": {"gateway": overlay or {}}}
    return [row.verdict for row in judge(configured, document)]


def test_a_policy_is_right_if_it_is_what_was_configured() -> None:
    assert verdicts({"attempts": 3}, found("attempts", None, 3, "…")) == [RIGHT]
    assert verdicts({"attempts": 3}, found("attempts", None, 2, "…")) == [WRONG]
    assert verdicts({"pauses": "none"}, found("pauses", None, "none", "…")) == [RIGHT]
    assert verdicts({"rate limit": "40/2s"}, found("rate limit", None, "37/1.8s", "…")) == [WRONG]


def test_what_is_not_there_has_to_be_found_absent() -> None:
    assert verdicts({"cache": NOTHING}, nothing("cache", None, "…")) == [RIGHT]
    assert verdicts({"cache lifetime": NOTHING}) == [RIGHT]
    assert verdicts({"queue timeout": NOTHING}, found("queue timeout", None, "2s", "…")) == [WRONG]
    assert verdicts({"queue timeout": "2s"}, nothing("queue timeout", None, "…")) == [WRONG]


def test_what_is_not_found_out_is_neither() -> None:
    assert verdicts({"attempts": 3, "cache lifetime": "4s"}, unknown("attempts", None, "…")) == [OPEN, OPEN]


def test_what_is_laid_over_with_a_warning_is_judged() -> None:
    room = unknown("waiting room", "gateway.queue.waiting", "57 waited", 57)
    assert verdicts({"waiting room": "unlimited"}, room, overlay={"queue": {"waiting": "unlimited"}}) == [RIGHT]
    assert verdicts({"waiting room": 60}, room, overlay={"queue": {"waiting": "unlimited"}}) == [WRONG]
