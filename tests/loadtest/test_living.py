"""A run that measured nothing does not make a test pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtest.cli.exit_codes import INVALID
from tests.loadtest.living import undisturbed

DISTURBED = json.dumps({"verdict": "invalid", "why_invalid": ["send lag P99 of 40 ms", "CPU 99 %"]})


class Ended:
    """A run that has ended."""

    def __init__(self, code: int, out: str = "", err: str = "") -> None:
        self.said = code, out, err

    def end(self, within_s: float) -> tuple[int, str, str]:
        return self.said


def beginning(*runs: Ended) -> Any:
    return iter(runs).__next__


def test_the_first_valid_run_counts_whatever_its_verdict() -> None:
    disagrees = Ended(4, "{}")
    assert undisturbed(beginning(Ended(INVALID, DISTURBED), disagrees, Ended(0)))[:2] == (disagrees, 4)


def test_runs_that_are_all_invalid_fail_with_what_their_certificates_said() -> None:
    of_load = Ended(INVALID, json.dumps({"certificate": {"reasons": ["the rate is 3 % off"]}}))
    in_lines = Ended(INVALID, "send lag 1 ms\ninvalid: delivered too late\n")
    with pytest.raises(pytest.fail.Exception) as failed:
        undisturbed(beginning(Ended(INVALID, DISTURBED), of_load, in_lines))
    assert str(failed.value) == (
        "3 runs, all of them invalid:\n1. send lag P99 of 40 ms; CPU 99 %\n2. the rate is 3 % off\n3. delivered too late"
    )


def test_a_run_that_could_not_be_finished_fails_with_what_it_said() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"1\. the gateway was killed"):
        undisturbed(beginning(Ended(INVALID, "", "the gateway was killed\n")), times=1)
