"""What was configured beside what a calibration found: right, wrong, or not found out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from loadtest.calibration.calibration import flat, same, shown
from loadtest.calibration.figure import FOUND, UNKNOWN, Figure

NOTHING = None
RIGHT, WRONG, OPEN = "right", "wrong", "not found out"


class Judgement(NamedTuple):
    """Of one policy. ``warned``: the calibration itself warns of its figure."""

    policy: str
    configured: Any
    found: str
    verdict: str
    warned: bool
    evidence: str


def judge(configured: Mapping[str, Any], document: Mapping[str, Any]) -> list[Judgement]:
    """``document``: of ``tenfold calibrate --json``. NOTHING is configured of what the gateway does not have, and has to be found absent.

    A tuple of values is configured where more than one word is right.
    """
    figures = {each["name"]: Figure.of(each) for each in document["figures"]}
    laid = {f"gateway.{path}": value for path, value in flat(document["overlay"].get("gateway", {}))}
    return [judged(policy, value, figures.get(policy), laid) for policy, value in configured.items()]


def judged(policy: str, configured: Any, figure: Figure | None, laid: Mapping[str, Any]) -> Judgement:
    if figure is None:
        # A part that is not there has no further figures: without a cache there is no lifetime to tell.
        return Judgement(policy, configured, "–", RIGHT if configured is NOTHING else OPEN, False, "no such figure")
    found = shown(figure.value) if figure.state == FOUND else figure.state
    answers = configured if isinstance(configured, tuple) else (configured,)
    if (
        figure.state == UNKNOWN and figure.path is not None and figure.path in laid
    ):  # such as a waiting room without an end, which is laid over with a warning
        value = laid[figure.path]
        return Judgement(policy, configured, shown(value), RIGHT if value in answers else WRONG, True, figure.evidence)
    if figure.state == UNKNOWN:
        verdict = OPEN
    elif figure.state == FOUND:
        verdict = RIGHT if any(answer is not NOTHING and same(figure, answer) for answer in answers) else WRONG
    else:
        verdict = RIGHT if NOTHING in answers else WRONG
    return Judgement(policy, configured, found, verdict, figure.warning is not None, figure.evidence)
