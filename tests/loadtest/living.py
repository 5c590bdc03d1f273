"""Command lines run as a user would, and every process that stems from them, found by a mark in its environment."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from loadtest.cli.exit_codes import INVALID

MARK = "TENFOLD_TEST_RUN"


class Run:
    """``tenfold …`` as a process; ``family()`` are all processes that stem from it and still live."""

    def __init__(self, arguments: Sequence[str], cwd: Path, **env: str) -> None:
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.cli.main", *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, MARK: self.mark, "NO_COLOR": "1", **env}, start_new_session=True,
        )  # fmt: skip

    def family(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def member(self, *words: str) -> psutil.Process | None:
        """A process of the family whose command line holds all ``words`` (and is past its launcher)."""
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if all(word in line for word in words) and "lifeline" not in line:
                    return process
        return None

    def wait_for(self, *words: str, within_s: float = 30.0) -> psutil.Process:
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if (found := self.member(*words)) is not None:
                return found
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)
        raise AssertionError(f"no process with {words} after {within_s} s: {[process.cmdline() for process in self.family()]}")

    def end(self, within_s: float = 60.0) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)."""
        out, err = self.process.communicate(timeout=within_s)
        return self.process.returncode, out, err

    def nobody_left(self, within_s: float = 15.0) -> bool:
        return eventually(lambda: not self.family(), within_s)

    def clean_up(self) -> None:
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()


def undisturbed(begin: Callable[[], Run], within_s: float = 120.0, times: int = 3) -> tuple[Run, int, str, str]:
    """(run, exit code, stdout, stderr) of the first run that is not invalid, of ``times`` that ``begin`` starts.

    On a busy machine the clocks of the parts break their bounds. If that happens in all of them, nothing has been measured: the test fails
    with what the certificates said.
    """
    reasons = []
    for _ in range(times):
        run = begin()
        code, out, err = run.end(within_s)
        if code != INVALID:
            return run, code, out, err
        reasons.append(why_invalid(out) or err.strip() or "no reason given")
    pytest.fail(f"{times} runs, all of them invalid:\n" + "\n".join(f"{number}. {why}" for number, why in enumerate(reasons, 1)))


def why_invalid(out: str) -> str:
    """The reasons in the document, or in the lines, that ``verify`` and ``load`` print."""
    try:
        document = json.loads(out)
    except json.JSONDecodeError:
        return "; ".join(line.removeprefix("invalid: ") for line in out.splitlines() if line.startswith("invalid: "))
    return "; ".join(document.get("why_invalid") or document.get("certificate", {}).get("reasons", ()))


def eventually(holds: Callable[[], bool], within_s: float) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.05)
    return holds()
