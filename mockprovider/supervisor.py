"""Every provider of a scenario as a supervised process: started together, watched, and ended together."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mockprovider.processes.supervisor import Child, Crew, RunFailed
from sim.scenario.load import Loaded

READY_S = 30.0


@dataclass(frozen=True)
class Mock:
    """A provider being served. ``base_url`` is what an SDK takes."""

    provider: str
    dialect: str
    host: str
    port: int
    child: Child

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1" if self.dialect == "openai" else self.url

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self.child.process


@contextlib.contextmanager
def serving(
    loaded: Loaded, host: str = "127.0.0.1", first_port: int = 0, seed: int | None = None, scale: float = 1.0
) -> Iterator[list[Mock]]:
    """The scenario's mocks, all of them ready; see ``start_mocks``. Whatever started is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="tenfold-mock-") as folder, Crew(Path(folder)) as crew:
        scenario_file = Path(folder, "scenario.yaml")
        scenario_file.write_text(loaded.yaml_text, encoding="utf-8")
        yield start_mocks(crew, loaded, scenario_file, host, first_port, seed, scale)


def start_mocks(
    crew: Crew, loaded: Loaded, scenario_file: Path, host: str = "127.0.0.1", first_port: int = 0, seed: int | None = None,
    scale: float = 1.0,
) -> list[Mock]:  # fmt: skip
    """One child of ``crew`` for each provider of ``scenario_file``, the resolved ``loaded``; returns when all of them serve.

    With ``first_port`` they take that port and those after it, in order of their names. Raises RunFailed: a port is taken, or a mock runs
    another scenario.
    """
    argv = [sys.executable, "-m", "mockprovider", "--child", "--scenario", str(scenario_file), "--host", host, "--scale", repr(scale)]
    argv += ["--seed", str(loaded.scenario.seed if seed is None else seed)]
    children = {
        name: crew.start(f"mock of {name}", [*argv, "--provider", name, "--port", str(first_port + number if first_port else 0)])
        for number, name in enumerate(sorted(loaded.scenario.providers))
    }
    mocks = []
    until = time.monotonic() + READY_S
    for name, child in children.items():
        ready = child.expect("ready", max(0.0, until - time.monotonic()))
        if ready["scenario_sha256"] != loaded.sha256:
            raise RunFailed(f"the mock of {name} runs another scenario: its hash differs")
        mocks.append(Mock(name, loaded.scenario.providers[name].dialect, host, ready["port"], child))
    return mocks


def watch(mocks: Sequence[Mock], every_s: float = 0.5) -> None:
    """Returns never, but raises RunFailed as soon as a mock ends by itself."""
    while True:
        for mock in mocks:
            if not mock.child.alive:
                raise mock.child.failure()
        time.sleep(every_s)
