"""Child processes of a run: started in their own process groups, watched, and ended for certain, whatever happens to us."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

from mockprovider.processes import lifeline

STOP_S = 8.0  # from SIGTERM to SIGKILL
LAST_LINES = 5
TERMINAL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class RunFailed(Exception):
    """A run that could not be finished: which part failed, and what it said."""


class Interrupted(Exception):
    """SIGTERM, taken like Ctrl-C."""


class Child:
    """One process and its descendants (a process group), tied to our life. It speaks JSON lines on stdout; stderr goes to ``log``.

    One that does not speak (a program of others) has its stdout in the log, too: a pipe that nobody reads would fill up and stop it.
    """

    def __init__(self, name: str, argv: Sequence[str], log: Path, env: dict[str, str] | None = None, speaks: bool = True) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                lifeline.command(list(argv)), stdin=subprocess.PIPE, stdout=subprocess.PIPE if speaks else errors, stderr=errors,
                start_new_session=True, bufsize=0, env={**os.environ, **(env or {})},
            )  # fmt: skip
        self._buffer = b""

    def __repr__(self) -> str:
        return f"<Child {self.name} {self.process.pid}, {'running' if self.alive else f'ended with {self.process.returncode}'}>"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def order(self, line: str) -> None:
        """One line to the child's stdin. Raises RunFailed if it is gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise self.failure() from None

    def hear(self, within_s: float) -> dict[str, Any] | None:
        """The next JSON line on its stdout; None if none came in time. Raises RunFailed when the child has ended."""
        until = time.monotonic() + within_s
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                if line.startswith(b"{"):
                    document: dict[str, Any] = json.loads(line)
                    return document
                continue
            chunk = self._read(max(0.0, until - time.monotonic()))
            if chunk is None:
                return None
            if not chunk:
                self.process.wait()
                raise self.failure()
            self._buffer += chunk

    def _read(self, within_s: float) -> bytes | None:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            return os.read(self.process.stdout.fileno(), 65536) if selector.select(within_s) else None

    def expect(self, event: str, within_s: float) -> dict[str, Any]:
        """The child's line with this ``event``. Raises RunFailed when it ends, says that it failed, or is silent for too long."""
        until = time.monotonic() + within_s
        while (document := self.hear(max(0.0, until - time.monotonic()))) is not None:
            if document.get("event") == event:
                return document
            if document.get("event") == "failed":
                raise RunFailed(f"{self.name}: {document.get('why')}")
        raise RunFailed(f"{self.name} was not ready after {within_s:g} s{self.said()}")

    def failure(self) -> RunFailed:
        code = self.process.poll()
        how = f"was killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"ended with exit code {code}"
        return RunFailed(f"{self.name} {how}{self.said()}")

    def said(self) -> str:
        """The last lines of its log, to be put behind a message."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()[-LAST_LINES:]
        except OSError:
            return ""
        return ":\n    " + "\n    ".join(lines) if lines else ""

    def signal_group(self, number: int) -> None:
        """To the process and everything it started. The group outlives its leader, so it is tried even when the leader has ended."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            close_quietly(pipe)


def close_quietly(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def stop_all(children: Sequence[Child], within_s: float = STOP_S) -> None:
    """SIGTERM to all, SIGKILL to whoever is left after ``within_s``. Interrupts wait until it is done."""
    with deaf():
        for child in reversed(children):
            child.signal_group(signal.SIGTERM)
        until = time.monotonic() + within_s
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.05, until - time.monotonic()))
        for child in children:
            child.signal_group(signal.SIGKILL)
            child.process.wait()
            child.close()


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """No Ctrl-C, SIGTERM or SIGHUP in here: a teardown that is interrupted leaves processes behind."""
    held = [(number, signal.signal(number, signal.SIG_IGN)) for number in TERMINAL]
    try:
        yield
    finally:
        for number, handler in held:
            signal.signal(number, handler)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that closes, raise Interrupted as Ctrl-C raises KeyboardInterrupt: all unwind every ``finally``."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    before = [(number, signal.signal(number, interrupt)) for number in (signal.SIGTERM, signal.SIGHUP)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


class Crew:
    """The children of one run; leaving the context ends them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: list[Child] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        stop_all(self.children)

    def start(self, name: str, argv: Sequence[str], env: dict[str, str] | None = None, speaks: bool = True) -> Child:
        """Start a child. Its log is ``<number>-<name>.log`` in the crew's folder."""
        log = self.folder / f"{len(self.children)}-{name.replace(' ', '-')}.log"
        # Between a fork and its entry in the list of those to end, an interrupt would lose a process. The launcher unblocks the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL)
        try:
            child = Child(name, argv, log, env, speaks)
            self.children.append(child)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, TERMINAL)
        return child

    def check(self) -> None:
        """Raises RunFailed if a child has ended by itself."""
        for child in self.children:
            if not child.alive:
                raise child.failure()
