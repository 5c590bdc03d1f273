"""What verify asks of a target: a gateway under test, wherever it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mockprovider.processes.supervisor import Crew
from sim.scenario.load import Loaded


@dataclass(frozen=True)
class GatewayLog:
    """What a gateway of ours recorded: requests (dtype REQUESTS), attempts (ATTEMPTS), timeline (TIMELINE), events."""

    requests: np.ndarray
    attempts: np.ndarray
    timeline: np.ndarray
    events: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where a target is set up: the resolved ``scenario_file``, its hash in ``loaded``, ``upstreams``: base URL by provider."""

    loaded: Loaded
    scenario_file: Path
    upstreams: dict[str, str]
    crew: Crew
    url: str | None = None
    port: int = 0


class Running(Protocol):
    """A target that accepts requests at ``url``."""

    url: str

    def set_t0(self, t0: float) -> None:
        """The run starts at ``t0`` (unix seconds). Raises RunFailed."""

    def collect(self) -> GatewayLog | None:
        """Its own records, when it keeps any. Raises RunFailed."""


class Target(Protocol):
    """``cannot(scenario)`` lists in words what of the scenario this gateway does not do; ``start`` returns when it accepts requests."""

    def cannot(self, loaded: Loaded) -> list[str]: ...

    def start(self, place: Place) -> Running: ...
