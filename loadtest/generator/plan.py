"""The order a load generator gets: which scenario, where to send it, which part of it is whose."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sim.gateway.language import Scenario

CHAT_PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class LoadPlan:
    """``scenario`` as its JSON dump; ``url``: base URL of the gateway; ``directory``: where samples go, must exist.

    ``part`` of ``parts``: this generator sends every parts-th request of the schedule, or plays every parts-th client.
    ``drain_s``: how long after the last send answers are waited for. ``headers`` go along with every request; ``models`` are the gateway's
    names of ours, and ``outcomes`` what it means by an HTTP status, where these differ. A client's key is none of them: it comes from the
    environment (TENFOLD_KEY_CLIENT).
    """

    scenario: str
    sha256: str
    url: str
    directory: str
    scale: float = 1.0
    replication: int = 0
    part: int = 0
    parts: int = 1
    drain_s: float = 120.0
    headers: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)

    def load_scenario(self) -> Scenario:
        return Scenario.model_validate_json(self.scenario)

    def of(self, part: int, parts: int) -> LoadPlan:
        return replace(self, part=part, parts=parts)

    @property
    def endpoint(self) -> str:
        base = self.url.rstrip("/")
        return base + (CHAT_PATH.removeprefix("/v1") if base.endswith("/v1") else CHAT_PATH)

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    def write(self, path: Path) -> None:
        path.write_text(self.dumps())

    @classmethod
    def loads(cls, text: str) -> LoadPlan:
        return cls(**json.loads(text))

    @classmethod
    def read(cls, path: Path) -> LoadPlan:
        return cls.loads(path.read_text())
