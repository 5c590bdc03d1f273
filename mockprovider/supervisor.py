"""Every provider of a scenario as a supervised process: started together, watched, and ended together."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sim.scenario.load import Loaded

READY_S = 30.0
STOP_S = 5.0


class MockFailed(Exception):
    """A mock that did not start, or ended by itself: its provider and what it said."""


@dataclass(frozen=True)
class Mock:
    """A provider being served. ``base_url`` is what an SDK takes."""

    provider: str
    dialect: str
    port: int
    host: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1" if self.dialect == "openai" else self.url

    def failure(self) -> MockFailed:
        said = self.log.read_text(errors="replace").strip().splitlines()
        return MockFailed(f"the mock of {self.provider} ended: {said[-1] if said else f'exit code {self.process.returncode}'}")


@contextlib.contextmanager
def serving(
    loaded: Loaded, host: str = "127.0.0.1", first_port: int = 0, seed: int | None = None, scale: float = 1.0
) -> Iterator[list[Mock]]:
    """The scenario's mocks, all of them ready. With ``first_port`` they take that port and those after it, in order of their names.

    Raises MockFailed when one cannot start; whatever started is stopped then and at the end.
    """
    with tempfile.TemporaryDirectory(prefix="tenfold-mock-") as folder:
        scenario = Path(folder, "scenario.yaml")
        scenario.write_text(loaded.yaml_text, encoding="utf-8")
        processes: list[subprocess.Popen[bytes]] = []
        try:
            mocks = []
            for number, (name, provider) in enumerate(sorted(loaded.scenario.providers.items())):
                log = Path(folder, f"{number}.log")
                port = first_port + number if first_port else 0
                process = start(scenario, name, host, port, loaded.scenario.seed if seed is None else seed, scale, log)
                processes.append(process)
                mocks.append(Mock(name, provider.dialect, port, host, process, log))
            yield [await_ready(mock, time.monotonic() + READY_S) for mock in mocks]
        finally:
            stop(processes)


def start(scenario: Path, provider: str, host: str, port: int, seed: int, scale: float, log: Path) -> subprocess.Popen[bytes]:
    """One mock process. It ends when its stdin, a pipe from us, closes: also when we are killed."""
    command = [
        sys.executable, "-m", "mockprovider", "--scenario", str(scenario), "--provider", provider, "--host", host, "--port", str(port),
        "--seed", str(seed), "--scale", repr(scale),
    ]  # fmt: skip
    with log.open("wb") as errors:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True, bufsize=0)


def await_ready(mock: Mock, until_s: float) -> Mock:
    """The mock with the port it says it serves on."""
    assert mock.process.stdout is not None
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(mock.process.stdout, selectors.EVENT_READ)
        while not said.endswith(b"\n"):
            if not selector.select(max(0.0, until_s - time.monotonic())):
                raise MockFailed(f"the mock of {mock.provider} was not ready after {READY_S:g} s")
            data = os.read(mock.process.stdout.fileno(), 4096)
            if not data:
                mock.process.wait()
                raise mock.failure()
            said += data
    return Mock(mock.provider, mock.dialect, int(json.loads(said)["port"]), mock.host, mock.process, mock.log)


def watch(mocks: list[Mock], every_s: float = 0.5) -> None:
    """Returns never, but raises MockFailed as soon as a mock ends by itself."""
    while True:
        for mock in mocks:
            if mock.process.poll() is not None:
                raise mock.failure()
        time.sleep(every_s)


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End them all, by force after STOP_S."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until_s = time.monotonic() + STOP_S
    for process in processes:
        try:
            process.wait(max(0.1, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
