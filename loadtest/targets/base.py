"""The frame of every target: start a gateway under test, wait until it is healthy, watch what it uses, stop it.

A target is a gateway with ``cannot`` and ``start``. One that Tenfold starts as a program of others is a ``Program``: its file holds the
configuration as a template, and a list of what it cannot do.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from loadtest.processes.http_control import free_port, status_of
from loadtest.processes.usage import Processes
from loadtest.targets import install
from mockprovider.processes.supervisor import Child, Crew, RunFailed
from sim.scenario.load import Loaded

POLL_S = 0.1
DIRECT = {"NO_PROXY": "127.0.0.1,localhost,::1", "no_proxy": "127.0.0.1,localhost,::1"}  # a gateway reaches the mocks without any proxy


@dataclass(frozen=True)
class GatewayLog:
    """What a gateway of ours recorded: requests (dtype REQUESTS), attempts (ATTEMPTS), timeline (TIMELINE), events."""

    requests: np.ndarray
    attempts: np.ndarray
    timeline: np.ndarray
    events: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class ClientSide:
    """What clients of a gateway send along: ``headers``, its name of each of our ``models``, and its ``key``, which no file ever holds.

    ``outcomes`` by HTTP status, where it means something else than ``samples.outcome_of`` takes it for.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    key: str | None = field(default=None, repr=False)
    outcomes: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where a target is set up: the resolved ``scenario_file``, its hash in ``loaded``, ``upstreams``: base URL by provider.

    ``url`` and ``client`` are for a gateway that runs already; ``port`` 0: any free one.
    """

    loaded: Loaded
    scenario_file: Path
    upstreams: dict[str, str]
    crew: Crew
    url: str | None = None
    port: int = 0
    client: ClientSide = field(default_factory=ClientSide)
    scale: float = 1.0

    @property
    def folder(self) -> Path:
        """Private, and gone after the run: configurations go here."""
        return self.crew.folder

    def address(self, provider: str) -> str:
        """host:port of a provider's mock."""
        return self.upstreams[provider].removeprefix("http://")


@dataclass
class Running:
    """A target that accepts requests at ``url``. ``processes``: what it runs in on this machine, None where that cannot be told."""

    url: str
    client: ClientSide = field(default_factory=ClientSide)
    processes: Processes | None = None
    ours: ClassVar[bool] = False  # known to be what it should be, and has a count of requests that a probe would disturb

    def set_t0(self, t0: float) -> None:
        """The run starts at ``t0`` (unix seconds). Raises RunFailed. Gateways of others have no clock of ours."""

    def look(self) -> dict[str, float]:
        """What it tells of itself now, by fields of ``sim.analysis.so_far.SoFar``. Gateways of others tell nothing that we know."""
        return {}

    def collect(self) -> GatewayLog | None:
        """Its own records, when it keeps any. Raises RunFailed."""
        return None

    def check(self) -> None:
        """Raises RunFailed if it is gone, where nobody else would notice."""


class Target(Protocol):
    """``cannot`` lists in words what of the scenario this gateway does not do, and what to change; ``start`` returns when it accepts
    requests. Raises RunFailed.
    """

    def cannot(self, loaded: Loaded) -> list[str]: ...

    def start(self, place: Place) -> Running: ...


@dataclass(frozen=True)
class Launch:
    """How a program is started: ``env`` beside the environment, ``health`` the path that answers 200 once it is up."""

    argv: list[str]
    health: str
    env: dict[str, str] = field(default_factory=dict)
    client: ClientSide = field(default_factory=ClientSide)


class Program(ABC):
    """A gateway that nobody here wrote, as a program that ``loadtest.targets.install`` knows by ``name``."""

    name: ClassVar[str]
    start_s: ClassVar[float] = 15.0

    @abstractmethod
    def cannot(self, loaded: Loaded) -> list[str]: ...

    @abstractmethod
    def launch(self, program: Path, place: Place, port: int) -> Launch:
        """Write the configuration into ``place.folder``, for one that listens on ``port`` of the loopback interface."""

    def start(self, place: Place) -> Running:
        """Raises RunFailed: it is not installed, ends by itself, or does not get healthy in ``start_s``."""
        port = place.port or free_port()
        launch = self.launch(install.program(self.name), place, port)
        child = place.crew.start(self.name, launch.argv, {**DIRECT, **launch.env}, speaks=False)
        url = f"http://127.0.0.1:{port}"
        wait_until_healthy(child, url + launch.health, self.start_s)
        return Running(url, launch.client, Processes(child.process.pid))


def wait_until_healthy(child: Child, url: str, within_s: float) -> None:
    """Raises RunFailed when the child ends, or does not answer ``url`` with 200 in time."""
    until, status = time.monotonic() + within_s, None
    while time.monotonic() < until:
        if not child.alive:
            raise child.failure()
        if (status := status_of(url)) == 200:
            return
        time.sleep(POLL_S)
    last = "nothing" if status is None else f"HTTP {status}"
    raise RunFailed(f"{child.name} was not healthy after {within_s:g} s: {url} answered {last} last{child.said()}")


def environment_without(*prefixes: str) -> dict[str, str]:
    """Variables of the environment that begin with one of ``prefixes``, emptied: a gateway would take them for its configuration."""
    return {name: "" for name in os.environ if name.startswith(prefixes)}
