"""Mock processes for tests, and a handle on what they saw."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mockprovider.supervisor import serving
from sim.gateway.language import load

SCENARIO = Path(__file__).parent / "mocks.yaml"
CLIENT = httpx.Client(verify=False, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
"""One for all: a client of its own for every request spends more time on certificates than on the request.
Connections are not kept, so that each request comes on a new one.
"""


@dataclass
class Handle:
    """One mock provider over its control API."""

    provider: str
    url: str

    @property
    def key(self) -> str:
        return f"sk-mock-{self.provider}-0"

    def restart(self, *faults: dict[str, Any]) -> None:
        """A fresh run, with these faults from now on."""
        CLIENT.post(f"{self.url}/_mock/t0", json={"t0": time.time()}).raise_for_status()
        for fault in faults:
            response = CLIENT.post(f"{self.url}/_mock/faults", json={"for": "1h", **fault})
            assert response.status_code == 201, response.text

    def truth(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in CLIENT.get(f"{self.url}/_mock/truth").text.splitlines()]

    def settled(self, attempts: int) -> list[dict[str, Any]]:
        """The truth once it holds ``attempts`` rows: a row is written when its answer has ended."""
        until_s = time.monotonic() + 15
        while len(rows := self.truth()) < attempts and time.monotonic() < until_s:
            time.sleep(0.02)
        return rows

    def certificate(self) -> dict[str, Any]:
        found: dict[str, Any] = CLIENT.get(f"{self.url}/_mock/certificate").json()
        return found

    def post(self, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key}", "x-api-key": self.key, "api-key": self.key, "x-goog-api-key": self.key}
        return CLIENT.post(f"{self.url}{path}", headers={**headers, **options.pop("headers", {})}, **options)


@pytest.fixture(scope="session")
def mocks() -> Iterator[Callable[[str], Handle]]:
    with serving(load(SCENARIO)) as running:
        handles = {mock.provider: Handle(mock.provider, mock.url) for mock in running}
        yield handles.__getitem__


@pytest.fixture
def openai_mock(mocks: Callable[[str], Handle]) -> Handle:
    handle = mocks("openai")
    handle.restart()
    return handle


@pytest.fixture
def anthropic_mock(mocks: Callable[[str], Handle]) -> Handle:
    handle = mocks("anthropic")
    handle.restart()
    return handle
