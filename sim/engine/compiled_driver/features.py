"""What the loop does for tables that providers may be without: shared servers and prompt caches."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from sim.engine.compiled_driver.heap import BEFORE_CALLS, is_earlier
from sim.engine.compiled_driver.numbing import is_there, means
from sim.kernel.containers import NOBODY
from sim.provider.processor_sharing import rearm, server_due


def has_prefixes(p: Any, more: int) -> bool:
    raise NotImplementedError


@means(has_prefixes)
def compiled_has_prefixes(p: Any, more: int) -> Callable[..., Any]:
    if is_there(p, "places"):
        return lambda p, more: p.places.used.keys + more < len(p.prefixes)
    return lambda p, more: True


def next_server(e: Any) -> int:
    """The server whose mark is reached before the first event; NOBODY: none is."""
    raise NotImplementedError


@means(next_server)
def compiled_next_server(e: Any) -> Callable[..., Any]:
    def next_server(e: Any) -> int:
        found, first = NOBODY, e.events[0]
        for number in range(len(e.due)):
            if is_earlier(e.due[number], first):
                found, first = number, e.due[number]
        return found

    return next_server if is_there(e, "due") else lambda e: NOBODY


def due_s(e: Any, number: int) -> float:
    raise NotImplementedError


@means(due_s)
def compiled_due_s(e: Any, number: int) -> Callable[..., Any]:
    return (lambda e, number: e.due[number].at_s) if is_there(e, "due") else lambda e, number: inf


def reach_mark(p: Any, e: Any, number: int) -> None:
    raise NotImplementedError


@means(reach_mark)
def compiled_reach_mark(p: Any, e: Any, number: int) -> Callable[..., Any]:
    def reach_mark(p: Any, e: Any, number: int) -> None:
        e.due[number].at_s = inf
        server_due(p, number, e.loop.now_s)

    return reach_mark if is_there(e, "due") else lambda p, e, number: None


def rearm_servers(p: Any, e: Any) -> None:
    raise NotImplementedError


@means(rearm_servers)
def compiled_rearm_servers(p: Any, e: Any) -> Callable[..., Any]:
    """There are few servers, and they change their minds at every call: their events stand beside the queue."""

    def rearm_servers(p: Any, e: Any) -> None:
        loop = e.loop
        while p.rearmed.length > 0:
            number = rearm(p)
            due = e.due[number]
            due.at_s = inf
            if p.servers[number].due_s < inf:
                loop.order += 1
                due.at_s = max(p.servers[number].due_s, loop.now_s)
                due.order = loop.order - BEFORE_CALLS

    return rearm_servers if is_there(e, "due") else lambda p, e: None
