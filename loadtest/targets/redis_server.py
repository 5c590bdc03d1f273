"""A Redis of a run's own, beside the reference gateway: filled with what is under way at the start, struck by the scenario's faults."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import numpy as np

from loadtest.processes.http_control import free_port
from loadtest.targets import install
from mockprovider.processes.supervisor import Crew, RunFailed
from sim.gateway.stages.redis import EFFECTS, in_redis
from sim.workload.schedule import build_schedule

START_S = 10.0


class RedisServer:
    """One on a port of the loopback interface, gone with its crew. Raises RunFailed."""

    def __init__(self, crew: Crew) -> None:
        import redis

        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        options = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(crew.folder), "save": "3600 1", "enable-debug-command": "yes"}
        argv = [str(install.program("redis-server")), *(word for name, value in options.items() for word in (f"--{name}", value))]
        self.child = crew.start("redis-server", argv, speaks=False)
        self.client = redis.Redis.from_url(self.url)
        until = time.monotonic() + START_S
        while not self.answers():
            if not self.child.alive or time.monotonic() > until:
                raise self.child.failure() if not self.child.alive else RunFailed(f"redis-server did not answer in {START_S:g} s")
            time.sleep(0.05)

    def answers(self) -> bool:
        import redis

        with contextlib.suppress(redis.RedisError, OSError):
            return bool(self.client.ping())
        return False

    def remember(self, scenario: Any, scale: float) -> None:
        """The conversations that are under way when the run starts, with all their history, as the model has them."""
        if not in_redis(scenario.gateway.sessions) or scenario.workload.waits_for_answers:
            return
        schedule = build_schedule(scenario, scale)
        _, first = np.unique(schedule.conversation, return_index=True)
        under_way = schedule.conversation[first][schedule.turn[first] > 0]
        if len(under_way):
            self.client.mset({f"tenfold:{scenario.name}:session:{number}": 0 for number in under_way.tolist()})

    def strike(self, scenario: Any, t0: float) -> None:
        """Play the scenario's faults, at their times from ``t0`` (unix seconds) on."""
        for fault in scenario.faults:
            if fault.kind in EFFECTS:
                threading.Timer(max(0.0, t0 + fault.at - time.time()), self.play, (fault,)).start()

    def play(self, fault: Any) -> None:
        import redis

        with contextlib.suppress(redis.RedisError, OSError):  # the connection ends with the server
            if fault.kind == "redis-full":
                self.client.config_set("maxmemory", 1)
                time.sleep(fault.for_)
                self.client.config_set("maxmemory", 0)
            elif fault.kind == "redis-outage" and fault.mode == "hang":
                self.client.execute_command("DEBUG", "SLEEP", fault.for_)
            else:
                if fault.kind == "redis-restart":
                    self.client.flushall()
                self.client.execute_command("DEBUG", "RESTART", round(1000 * fault.for_))
