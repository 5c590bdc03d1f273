"""A gateway that runs already. Whoever runs it has pointed it at the mocks; nothing is known of its inside."""

from __future__ import annotations

from loadtest.processes.http_control import reachable
from loadtest.targets.base import Place
from mockprovider.processes.supervisor import RunFailed
from sim.scenario.load import Loaded


class Url:
    def cannot(self, loaded: Loaded) -> list[str]:
        return []

    def start(self, place: Place) -> RunningUrl:
        if place.url is None:
            raise RunFailed("the target url needs --url, the base URL of the gateway")
        if not reachable(place.url):
            raise RunFailed(f"nothing answers at {place.url}")
        return RunningUrl(place.url)


class RunningUrl:
    def __init__(self, url: str) -> None:
        self.url = url

    def set_t0(self, t0: float) -> None:
        """It has no clock of ours."""

    def collect(self) -> None:
        return None


TARGET = Url()
