"""The live view: figures on a terminal, plain lines elsewhere, nothing if quiet, and a clean terminal whatever ends it."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from loadtest.cli import exit_codes, live
from loadtest.cli.main import run

SCENARIO = """
tenfold: 1
name: small
workload:
  arrivals: {kind: poisson, rate: 20/s}
  duration: 6s
  requests: [{name: job, tokens: {input: 100, output: 1}}]
gateway:
  routing: {kind: round-robin, models: [server/job]}
  queue: {concurrency: 8, waiting: 100, timeout: 10s}
providers: {server: {models: {job: {latency: {kind: exponential, mean: 300ms}, price: {input: 1000, output: 1000}}}}}
budgets: [availability > 50%]
"""
FIGURES = ("rate", "in flight", "queue", "P50", "P99", "open breakers", "cost")
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
VARY = ("--vary", "gateway.queue.concurrency=6,7,8")
KNOB = ("--minimise", "cost", "--knob", "gateway.queue.concurrency=6,7,8")


@pytest.fixture(autouse=True)
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SCENARIO)


class OnTerminal:
    """``tenfold …`` whose stderr is a terminal of 160 columns; its stdout is a pipe."""

    def __init__(self, *arguments: str) -> None:
        self.terminal, inside = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.cli.main", *arguments], stdin=inside, stdout=subprocess.PIPE, stderr=inside,
            env={**os.environ, "COLUMNS": "160", "TERM": "xterm"}, start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # its controlling terminal, which Ctrl-C is read from
        )  # fmt: skip
        os.close(inside)
        self.seen = ""

    def until(self, words: str = "\0", within_s: float = 60.0) -> str:
        """What the terminal showed until ``words`` came, or the process ended."""
        deadline = time.monotonic() + within_s
        while words not in self.seen and time.monotonic() < deadline:
            if select.select([self.terminal], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):  # nobody has the other end open any more
                    if chunk := os.read(self.terminal, 65536):
                        self.seen += chunk.decode("utf-8", "replace")
                        continue
                break
        return self.seen

    def press_ctrl_c(self) -> None:
        os.write(self.terminal, b"\x03")

    def end(self) -> tuple[int, str, str]:
        """(exit code, stdout, what the terminal showed)."""
        shown = self.until()
        out = self.process.communicate(timeout=30)[0].decode()
        os.close(self.terminal)
        return self.process.returncode, out, shown


def assert_clean(shown: str) -> None:
    """The cursor is back, and the view was wiped away."""
    assert shown.rindex(SHOW) > shown.rindex(HIDE)
    assert "\x1b[2K" in shown[shown.rindex("P99") :]


@pytest.mark.parametrize(
    ("arguments", "row"),
    [
        pytest.param(("predict", "--scale", "1,2"), "2x", id="predict"),
        pytest.param(("sweep", *VARY), "the best within all budgets", id="sweep", marks=pytest.mark.slow),
        pytest.param(("plan", *KNOB), "the last", id="plan", marks=pytest.mark.slow),
    ],
)
def test_a_terminal_shows_the_figures_so_far(arguments: Sequence[str], row: str) -> None:
    verb, *rest = arguments
    code, out, shown = OnTerminal(verb, "small.yaml", "--replications", "3", "--json", *rest).end()
    assert code == exit_codes.OK
    for word in (*FIGURES, row):
        assert word in shown
    assert "\x1b" not in out
    assert_clean(shown)


@pytest.mark.slow
@pytest.mark.sockets
def test_a_measurement_shows_them_beside_those_predicted() -> None:
    _, _, shown = OnTerminal("verify", "small.yaml", "--replications", "1", "--set", "workload.duration=2s", "--json").end()
    for word in (*FIGURES, "predicted, the whole run", "measured so far"):
        assert word in shown
    assert_clean(shown)


def test_ctrl_c_leaves_a_clean_terminal() -> None:
    run = OnTerminal("predict", "small.yaml", "--scale", "50", "--engine", "simpy", "--replications", "1000", "--workers", "1", "--json")
    run.until("P99")
    run.press_ctrl_c()
    code, out, shown = run.end()
    assert (code, out) == (exit_codes.INTERRUPTED, "")
    assert_clean(shown)
    assert shown.split()[-1] == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("predict",), "predicting 1x: 3 of 3 replications; 1x: rate "),
        (("sweep", *VARY), "configurations: 3 of 3; the last: rate "),
        (("plan", *KNOB), "configurations: 4 of 4; the last: rate "),
    ],
    ids=["predict", "sweep", "plan"],
)
def test_a_pipe_gets_plain_lines(
    arguments: Sequence[str], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LINE_EVERY_S", 0.0)
    verb, *rest = arguments
    assert run([verb, "small.yaml", "--replications", "3", "--json", *rest]) == exit_codes.OK
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith(says)]
    assert all(f"{word} " in line for word in FIGURES)
    assert "\x1b" not in said


def test_quiet_is_quiet_on_a_terminal_too() -> None:
    code, _, shown = OnTerminal("predict", "small.yaml", "--replications", "2", "--json", "-q").end()
    assert (code, shown) == (exit_codes.OK, "")
