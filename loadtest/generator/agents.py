"""Agents under the load engine: conversations that go on when the answer is there."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np

from loadtest.generator.client import Exchange
from loadtest.generator.pacing import reach
from loadtest.generator.request_bodies import call_at
from mockprovider.delivery.clock import Deadlines
from sim.workload.chains import Chains, chains_of
from sim.workload.schedule import Schedule, build_schedule

if TYPE_CHECKING:
    from loadtest.generator.dispatcher import Engine


async def play(engine: Engine) -> None:
    """Play this part's conversations, every parts-th. No call is sent after the run's time."""
    plan = engine.plan
    schedule = build_schedule(engine.scenario, plan.scale, plan.replication)
    chains = chains_of(schedule)
    ours = chains.begins & (schedule.conversation // 2 % plan.parts == plan.part)  # even numbers begin in the run, odd ones before it
    deadlines = Deadlines(asyncio.get_running_loop())
    try:
        async with asyncio.TaskGroup() as agents:
            for number in np.flatnonzero(ours).tolist():
                sending = await send(engine, schedule, deadlines, number, engine.origin + schedule.arrival_s[number])
                agents.create_task(go_on(engine, schedule, chains, deadlines, number, sending))
    finally:
        deadlines.close()


async def go_on(
    engine: Engine, schedule: Schedule, chains: Chains, deadlines: Deadlines, number: int, sending: asyncio.Task[Exchange] | None
) -> None:
    """The rest of a conversation one of whose calls is on its way, or could not be sent."""
    while (following := int(chains.following[number])) >= 0:
        since = time.monotonic() if sending is None else (await sending).ended
        due = since + chains.think_s[following]
        if due - engine.origin >= schedule.duration_s:
            return
        number = following
        sending = await send(engine, schedule, deadlines, number, due)


async def send(engine: Engine, schedule: Schedule, deadlines: Deadlines, number: int, due: float) -> asyncio.Task[Exchange] | None:
    call = call_at(schedule, number)
    body, headers = engine.writer.write(call)  # before its time, not when it is sent
    await reach(deadlines, due)
    return engine.start(Exchange(due, call), body, headers)
