"""The reference gateway as a target: its own process, started from the scenario file, checked by hash."""

from __future__ import annotations

import sys

from loadtest.processes.http_control import fetch, post
from loadtest.processes.usage import Processes
from loadtest.targets.base import GatewayLog, Place, Running
from mockprovider.processes.supervisor import RunFailed
from sim.gateway.stages.cpu import works
from sim.scenario.load import Loaded

START_S = 30.0


class Reference:
    """Does everything the model does, in one process."""

    def cannot(self, loaded: Loaded) -> list[str]:
        gateway = loaded.scenario.gateway
        if gateway.regions is not None:
            return ["gateway.regions: all of a measurement is on one machine, at one place; leave it out"]
        if gateway.autoscale is None:
            return [f"gateway.workers is {gateway.workers}; the reference gateway is one process"] if gateway.workers > 1 else []
        if gateway.autoscale.kind == "hpa":
            return ["gateway.autoscale: hpa goes by the workers' CPUs; the reference gateway is one process, so measure with kind: keda"]
        if works(loaded.scenario) or gateway.queue.per != "worker":
            return [
                "gateway.autoscale: the reference gateway is one process: it starts and stops its workers' slots, not their CPUs; write "
                "queue: {concurrency: 8, per: worker} and leave out cpu_per_request, cpu_after and cpu_per_token"
            ]
        return []

    def start(self, place: Place) -> Running:
        argv = [sys.executable, "-m", "loadtest.gateway", "--scenario", str(place.scenario_file), "--port", str(place.port), "--child"]
        for provider, url in place.upstreams.items():
            argv += ["--upstream", f"{provider}={url}"]
        child = place.crew.start("gateway", argv)
        ready = child.expect("ready", START_S)
        if ready["scenario_sha256"] != place.loaded.sha256:
            raise RunFailed("the gateway runs another scenario: its hash differs")
        return RunningReference(ready["url"], processes=Processes(child.process.pid))


class RunningReference(Running):
    ours = True

    def set_t0(self, t0: float) -> None:
        post("the gateway", f"{self.url}/_tenfold/t0", {"t0": t0})

    def collect(self) -> GatewayLog:
        from loadtest.gateway.log import unpack

        return GatewayLog(*unpack(fetch("the gateway", f"{self.url}/_tenfold/log")))


TARGET = Reference()
