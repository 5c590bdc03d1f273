"""Clients that send a failed request again, under the load engine: the first sendings at their times, each further one a pause after the
failure of the one before. Which failures, which pauses, and what the budget says is ``sim.workload.client_retries``, as in the model.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from loadtest.generator.agents import send
from loadtest.generator.client import Exchange
from mockprovider.delivery.clock import Deadlines
from sim.kernel.containers import NOBODY
from sim.stochastics.random_streams import replication_seed
from sim.workload.client_retries import RetryingClients, Sendings, goes_on, sendings_of, with_retries
from sim.workload.schedule import Schedule, build_schedule

if TYPE_CHECKING:
    from loadtest.generator.dispatcher import Engine


async def play(engine: Engine) -> None:
    """Play this part's requests, every parts-th; each part has a retry budget of its own. Nothing is sent after the run's time."""
    plan, scenario = engine.plan, engine.scenario
    schedule = build_schedule(scenario, plan.scale, plan.replication)
    retries = scenario.workload.client.retries
    assert retries is not None
    every = with_retries(schedule, retries.attempts)
    clients = RetryingClients(scenario, replication_seed(scenario.seed, plan.replication), every)
    sendings = sendings_of(scenario, len(schedule))
    deadlines = Deadlines(asyncio.get_running_loop())
    try:
        async with asyncio.TaskGroup() as waiting:
            for number in range(plan.part, len(schedule), plan.parts):
                sending = await send(engine, every, deadlines, number, engine.origin + schedule.arrival_s[number])
                waiting.create_task(go_on(engine, every, clients, sendings, deadlines, number, sending))
    finally:
        deadlines.close()


async def go_on(
    engine: Engine, every: Schedule, clients: RetryingClients, sendings: Sendings, deadlines: Deadlines, number: int,
    sending: asyncio.Task[Exchange] | None,
) -> None:  # fmt: skip
    """The further sendings of a request that is on its way. One that could not be sent is not tried again: it never was a failure."""
    while sending is not None:
        exchange = await sending
        following, pause_s = clients.following(number)
        due = exchange.ended + pause_s
        if following == NOBODY or clients.is_over(due - engine.origin) or not goes_on(sendings, number, exchange.outcome):
            return
        number = following
        sending = await send(engine, every, deadlines, number, due)
