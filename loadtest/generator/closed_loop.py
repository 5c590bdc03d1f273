"""Closed workloads under the load engine: N clients, each of which waits for its answer, thinks, and asks again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from loadtest.generator.client import Exchange
from loadtest.generator.pacing import reach
from loadtest.generator.request_bodies import Call
from mockprovider.delivery.clock import Deadlines
from sim.workload.closed import ClosedWorkload

if TYPE_CHECKING:
    from loadtest.generator.dispatcher import Engine

PAUSE_AFTER_DROP_S = 0.1  # a client that could not send must not spin


async def play(engine: Engine) -> None:
    """Play this part's clients until the run's time is up: every parts-th client is this part's."""
    plan = engine.plan
    workload = ClosedWorkload(engine.scenario, plan.scale, plan.replication)
    deadlines = Deadlines(asyncio.get_running_loop())
    try:
        await asyncio.gather(*(live(engine, workload, deadlines, client) for client in range(plan.part, workload.clients, plan.parts)))
    finally:
        deadlines.close()


async def live(engine: Engine, workload: ClosedWorkload, deadlines: Deadlines, client: int) -> None:
    """One client: its thinking starts at the run's t0, and again whenever an answer has ended."""
    since, n = engine.origin, 0
    while True:
        due = since + workload.think_s(client, n)
        if due - engine.origin > workload.duration_s:
            return
        kind, user, conversation, turn, prompt, inputs, outputs, _ = workload.request(client, n)
        call = Call(conversation, kind, user, conversation, turn, prompt, inputs, outputs, [])
        body, headers = engine.writer.write(call)  # while the client thinks, not when it sends
        await reach(deadlines, due)
        sending = engine.start(Exchange(due, call), body, headers)
        if sending is None:
            await asyncio.sleep(PAUSE_AFTER_DROP_S)
            since = time.monotonic()
        else:
            since = (await sending).ended
        n += 1
