"""The gateway as worker processes behind one socket. They share what is in Redis; all else is each process's own (``PER_PROCESS``)."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from sim.gateway.stages.redis import in_redis

PER_PROCESS: dict[str, Callable[[Any], bool]] = {
    "limits": lambda g: g.limits.per_user is not None or g.limits.global_ is not None,
    "spend_limit": lambda g: g.spend_limit is not None,
    "queue": lambda g: g.queue is not None,
    "jobs": lambda g: g.jobs is not None,
    "connections": lambda g: g.connections is not None,
    "breaker": lambda g: g.breaker is not None,
    "hedge": lambda g: g.hedge is not None,
    "retry.budget": lambda g: g.retry.budget is not None,
    "sessions": lambda g: g.sessions is not None and not in_redis(g.sessions),
    "cache": lambda g: any(not in_redis(cache) for cache in g.cache),
}
"""Words of a scenario whose state is not shared: with several processes each has its own, where the model has one."""


def processes_of(scenario: Any) -> int:
    """One for each worker; where workers are started and stopped, one that has the slots of all."""
    return 1 if scenario.gateway.autoscale is not None else int(scenario.gateway.workers)


def unshared(scenario: Any) -> list[str]:
    """Those of them that a scenario uses."""
    return [name for name, used in PER_PROCESS.items() if used(scenario.gateway)]


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError."""
    return socket.create_server((host, port), backlog=4096)


def in_processes(count: int, serve: Callable[[int], int]) -> int:
    """``serve(number)`` in each of ``count`` processes; when one ends, or this one is told to, so do all. The highest exit code."""
    if count == 1:
        return serve(0)
    children: list[int] = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = serve(number)
            finally:
                os._exit(code)
        children.append(child)

    def stop(*_: object) -> None:
        for child in children:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    codes = []
    while children:
        child, status = os.wait()
        children.remove(child)
        codes.append(os.waitstatus_to_exitcode(status))
        stop()
    return max(abs(code) for code in codes)
