"""What the loop does for tables that providers may be without: shared servers and prompt caches."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from sim.engine.compiled_driver.heap import SERVER, push
from sim.engine.compiled_driver.numbing import is_there, means
from sim.provider.processor_sharing import rearm, server_due


def has_prefixes(p: Any, more: int) -> bool:
    raise NotImplementedError


@means(has_prefixes)
def compiled_has_prefixes(p: Any, more: int) -> Callable[..., Any]:
    if is_there(p, "places"):
        return lambda p, more: p.places.used.keys + more < len(p.prefixes)
    return lambda p, more: True


def servers(p: Any) -> int:
    raise NotImplementedError


@means(servers)
def compiled_servers(p: Any) -> Callable[..., Any]:
    return (lambda p: len(p.servers)) if is_there(p, "servers") else lambda p: 0


def reach_mark(p: Any, number: int, ticket: int, now_s: float) -> None:
    raise NotImplementedError


@means(reach_mark)
def compiled_reach_mark(p: Any, number: int, ticket: int, now_s: float) -> Callable[..., Any]:
    def reach_mark(p: Any, number: int, ticket: int, now_s: float) -> None:
        if p.servers[number].ticket == ticket:
            server_due(p, number, now_s)

    return reach_mark if is_there(p, "servers") else lambda p, number, ticket, now_s: None


def rearm_servers(p: Any, e: Any) -> None:
    raise NotImplementedError


@means(rearm_servers)
def compiled_rearm_servers(p: Any, e: Any) -> Callable[..., Any]:
    def rearm_servers(p: Any, e: Any) -> None:
        while p.rearmed.length > 0:
            number = rearm(p)
            server = p.servers[number]
            if server.due_s < inf:
                push(e, max(server.due_s, e.loop.now_s), SERVER, number, server.ticket)

    return rearm_servers if is_there(p, "rearmed") else lambda p, e: None
