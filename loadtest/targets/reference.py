"""The reference gateway as a target: its own process, started from the scenario file, checked by hash."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from loadtest.gateway.workers import processes_of, unshared
from loadtest.processes.http_control import fetch, post
from loadtest.processes.usage import Processes
from loadtest.targets.base import GatewayLog, Place, Running
from loadtest.targets.redis_server import RedisServer
from mockprovider.processes.supervisor import RunFailed
from sim.gateway.stages.cpu import works
from sim.gateway.stages.redis import EFFECTS, stores
from sim.scenario.load import Loaded

START_S = 30.0
LOOK_S = 0.5


class Reference:
    """Does everything the model does; with several processes, what can be shared through Redis."""

    def cannot(self, loaded: Loaded) -> list[str]:
        gateway, refused = loaded.scenario.gateway, []
        if gateway.regions is not None:
            refused.append("gateway.regions: all of a measurement is on one machine, at one place; leave it out")
        if gateway.autoscale is not None and gateway.autoscale.kind == "hpa":
            refused.append(
                "gateway.autoscale: hpa goes by the workers' CPUs, which are not started and stopped here; measure with kind: keda"
            )
        elif gateway.autoscale is not None and (works(loaded.scenario) or gateway.queue.per != "worker"):
            refused.append(
                "gateway.autoscale: the reference gateway is one process: it starts and stops its workers' slots, not their CPUs; write "
                "queue: {concurrency: 8, per: worker} and leave out cpu_per_request, cpu_after and cpu_per_token"
            )
        workers = processes_of(loaded.scenario)
        refused += [
            f"gateway.{name}: each of the {workers} worker processes has its own, where the model has one; write workers: 1"
            for name in (unshared(loaded.scenario) if workers > 1 else ())
        ]
        struck = {fault.kind for fault in loaded.scenario.faults} & EFFECTS.keys()
        if "redis-slow" in struck:
            refused.append("faults: nothing slows a real Redis down; write redis-outage with mode: hang, or predict only")
        if struck and "redis" not in stores(loaded.scenario):
            refused.append("faults: a Redis that runs already is not struck; write store: redis, which starts one")
        return refused

    def start(self, place: Place) -> Running:
        argv = [sys.executable, "-m", "loadtest.gateway", "--scenario", str(place.scenario_file), "--port", str(place.port), "--child"]
        for provider, url in place.upstreams.items():
            argv += ["--upstream", f"{provider}={url}"]
        redis = None
        if "redis" in stores(place.loaded.scenario):
            redis = RedisServer(place.crew)
            redis.remember(place.loaded.scenario, place.scale)
            argv += ["--redis", redis.url]
        child = place.crew.start("gateway", argv)
        ready = [child.expect("ready", START_S) for _ in range(processes_of(place.loaded.scenario))]
        if any(each["scenario_sha256"] != place.loaded.sha256 for each in ready):
            raise RunFailed("the gateway runs another scenario: its hash differs")
        controls = tuple(each["control"] for each in ready)
        return RunningReference(
            ready[0]["url"], controls=controls, processes=Processes(child.process.pid), scenario=place.loaded.scenario, redis=redis
        )


@dataclass
class RunningReference(Running):
    """``controls``: the URL of each of its processes."""

    controls: tuple[str, ...] = ()
    scenario: Any = None
    redis: RedisServer | None = None
    ours = True

    def set_t0(self, t0: float) -> None:
        if self.redis is not None:
            self.redis.strike(self.scenario, t0)
        for url in self.controls:
            post("the gateway", f"{url}/_tenfold/t0", {"t0": t0})

    def look(self) -> dict[str, float]:
        try:
            told = [json.loads(fetch("the gateway", f"{url}/_tenfold/usage", within_s=LOOK_S)) for url in self.controls]
        except RunFailed:  # too busy to say, or gone, which others notice
            return {}
        return {name: sum(each[name] for each in told) for name in ("waiting", "open_breakers", "cost_usd")}

    def collect(self) -> GatewayLog:
        from loadtest.gateway.log import unpack

        return together([GatewayLog(*unpack(fetch("the gateway", f"{url}/_tenfold/log"))) for url in self.controls])


def together(logs: list[GatewayLog]) -> GatewayLog:
    """The logs of several processes as one: what they sampled at the same times adds up."""
    attempts = np.concatenate([log.attempts for log in logs])
    samples = min(len(log.timeline) for log in logs)
    timeline = logs[0].timeline[:samples].copy()
    for log in logs[1:]:
        for name in ("waiting", "in_service", "open_breakers"):
            timeline[name] += log.timeline[name][:samples]
    return GatewayLog(
        np.concatenate([log.requests for log in logs]), attempts[np.argsort(attempts["started_s"], kind="stable")], timeline,
        sorted((event for log in logs for event in log.events), key=lambda event: event["at_s"]),
    )  # fmt: skip


TARGET = Reference()
