"""Processes that have to be punctual ask Linux for short slices of CPU time."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

KERNEL = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
SCHED = Path("/proc/self/sched")
SLICE = re.compile(r"^se\.slice\s*:\s*(\d+)", re.MULTILINE)
ASKS = "from mockprovider.processes.timeslice import ask_for_short_slices as ask; print(ask()); print(open('/proc/self/sched').read())"


@pytest.mark.skipif(KERNEL < (6, 12) or not SCHED.exists() or SLICE.search(SCHED.read_text()) is None, reason="no such scheduler")
@pytest.mark.parametrize("nice", [0, 5])
def test_a_process_gets_short_slices_and_keeps_its_priority(nice: int) -> None:
    said = subprocess.run(["nice", "-n", str(nice), sys.executable, "-c", ASKS], capture_output=True, text=True, check=True).stdout
    asked, sched = said.split("\n", 1)
    assert asked == "True"
    found = SLICE.search(sched)
    assert found is not None
    assert int(found[1]) == 100_000
    priority = re.search(r"^prio\s*:\s*(\d+)", sched, re.MULTILINE)
    assert priority is not None
    assert int(priority[1]) == 120 + min(19, os.nice(0) + nice)
