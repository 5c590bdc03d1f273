"""Codes of limits and of events come from their names alone."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest

from sim.gateway import events
from sim.gateway.events import event
from sim.kernel import refusals
from sim.kernel.refusals import NAMES, NOT_REFUSED, refusal
from sim.scenario.faults import Fault


def test_a_code_is_that_of_its_name_whoever_asks_first():
    """Rows that were kept are read with these: a code must not change."""
    assert (refusal("queue"), refusal("breaker"), refusal("no healthy target")) == (471, 15_994, 8_839)
    assert refusal("queue") == 471
    assert NAMES[NOT_REFUSED] == ""
    assert all(0 <= code < 2**15 for code in NAMES), "they fit a column of two bytes"


def test_a_process_that_builds_nothing_knows_the_names_of_all_faults():
    """As one that reads kept rows, or the log of a mock."""
    program = "import sim.provider.fault_timeline; from sim.kernel.refusals import NAMES; print(*NAMES.values(), sep='\\n')"
    named = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {f"fault: {kind}" for kind in get_args(Fault.model_fields["kind"].annotation)} <= set(named)
    assert {"fault: outage", "fault: rate-limit"} <= set(named)


def test_two_limits_with_one_code_are_noticed(monkeypatch):
    monkeypatch.setattr(refusals, "NAMES", {refusal("queue"): "another"})
    with pytest.raises(ValueError, match="'queue' and 'another' have the same code"):
        refusal("queue")


def test_two_events_with_one_code_are_noticed(monkeypatch):
    monkeypatch.setattr(events, "KINDS", {event("breaker", ("closed",)): ("another", ())})
    with pytest.raises(ValueError, match="'breaker' and 'another' have the same code"):
        event("breaker", ("closed",))
