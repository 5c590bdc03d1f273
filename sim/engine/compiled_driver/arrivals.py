"""Clients: they send requests, and those that wait for answers think and send the following one."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from sim.engine.compiled_driver.heap import GIVE_UP, SEND, push
from sim.engine.compiled_driver.numbing import is_there, jitable, means
from sim.engine.compiled_driver.writing import write_call
from sim.gateway.hooks import take_slot
from sim.kernel.containers import NOBODY
from sim.workload.client_retries import goes_on

NOTHING = -1  # no call goes on
jitable(goes_on)


@jitable
def arrive(g: Any, e: Any, number: int) -> int:
    loop = e.loop
    loop.area_s += loop.inside * (loop.now_s - loop.area_at_s)
    loop.area_at_s = loop.now_s
    loop.inside += 1
    loop.entered += 1
    slot = take_slot(g)
    ticket = g.calls[slot].ticket  # of the slot's last call, whose timers may still be about
    g.calls[slot] = e.blank
    c = g.calls[slot]
    write_call(c, e.requests[number])
    c.slot, c.ticket = slot, ticket + 1
    return slot


def send(g: Any, e: Any, number: int) -> int:
    raise NotImplementedError


@means(send)
def compiled_send(g: Any, e: Any, number: int) -> Callable[..., Any]:
    def send(g: Any, e: Any, number: int) -> int:
        loop = e.loop
        loop.sending -= 1
        e.waiting.open[number] = True
        if loop.gives_up_after_s < inf:
            push(e, loop.now_s + loop.gives_up_after_s, GIVE_UP, number, 0)
        slot = arrive(g, e, number)
        c = g.calls[slot]
        c.leaves_s += loop.now_s - c.arrival_s
        c.arrival_s = loop.now_s
        return slot

    return send if is_there(e, "waiting") else lambda g, e, number: NOTHING


def answered(e: Any, number: int, outcome: int) -> None:
    raise NotImplementedError


@means(answered)
def compiled_answered(e: Any, number: int, outcome: int) -> Callable[..., Any]:
    """The client of a request has its answer, or has left: it thinks, and sends the following one."""

    def answered(e: Any, number: int, outcome: int) -> None:
        waiting, loop = e.waiting, e.loop
        if waiting.open[number]:
            waiting.open[number] = False
            then = waiting.following[number]
            if then != NOBODY:
                at_s = loop.now_s + waiting.think_s[then]
                if (at_s < loop.over_s or (at_s == loop.over_s and loop.over_included)) and goes_on(loop, number, outcome):
                    push(e, at_s, SEND, then, 0)
                    loop.sending += 1
                    loop.furthest = max(loop.furthest, then)

    return answered if is_there(e, "waiting") else lambda e, number, outcome: None
