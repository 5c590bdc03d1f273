"""CPU and memory of a process and its descendants, those included that have ended."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from loadtest.processes.usage import USAGE, Processes, sampled, summary

BURN = "import time\nwhile time.process_time() < {}: pass\n"
FAMILY = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', '''{BURN.format(0.6)}'''])\ntime.sleep(60)"


def test_work_of_children_counts_also_when_they_have_ended() -> None:
    parent = subprocess.Popen([sys.executable, "-c", FAMILY])
    try:
        processes, until = Processes(parent.pid), time.monotonic() + 20
        while processes.cpu_s() < 0.5 or len(processes.sample()) > 1:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert processes.cpu_s() >= 0.5
        assert processes.sample()["pid"].tolist() == [parent.pid]
    finally:
        parent.kill()
        parent.wait()
    assert len(Processes.sample(processes)) == 0


def test_a_process_that_ends_while_it_is_watched_ends_no_watch() -> None:
    process = subprocess.Popen([sys.executable, "-c", BURN.format(0.3)])
    with sampled(Processes(process.pid)) as samples:
        process.wait()
        time.sleep(0.1)
    assert samples
    assert samples[-1].dtype == USAGE


def test_the_summary_adds_up_processes_and_their_work() -> None:
    rows = [(0.0, 7, 1.0, 10.0, 1), (0.0, 8, 0.0, 5.0, 1), (2.0, 7, 2.0, 12.0, 1), (2.0, 8, 0.5, 5.0, 1), (4.0, 7, 3.0, 9.0, 1)]
    told = {"cpu_s": 2.5, "cpu": 0.625, "watched_s": 4.0, "max_rss_mb": 17.0, "processes": 2}
    assert summary(np.array(rows, USAGE)) == pytest.approx(told)


def test_what_was_not_watched_has_no_summary() -> None:
    with sampled(None) as samples:
        pass
    assert summary(np.concatenate([np.zeros(0, USAGE), *samples])) is None
