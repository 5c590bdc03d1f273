"""A gateway that runs already. Whoever runs it has pointed it at the mocks; nothing is known of its inside."""

from __future__ import annotations

from loadtest.processes.http_control import is_loopback, reachable
from loadtest.processes.usage import listening_at
from loadtest.targets.base import Place, Running
from mockprovider.processes.supervisor import RunFailed
from sim.scenario.load import Loaded


class Url:
    def cannot(self, loaded: Loaded) -> list[str]:
        return []

    def start(self, place: Place) -> Running:
        if place.url is None:
            raise RunFailed("the target url needs --url, the base URL of the gateway")
        if not reachable(place.url):
            raise RunFailed(f"nothing answers at {place.url}: is the gateway running, and is that its port?")
        return RunningUrl(place.url, place.client, listening_at(place.url) if is_loopback(place.url) else None)


class RunningUrl(Running):
    def check(self) -> None:
        if not reachable(self.url):
            raise RunFailed(f"nothing answers at {self.url} any more: the gateway has ended, or closed its port, during the run")


TARGET = Url()
