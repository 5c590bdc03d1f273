"""Upstreams that play the model's plans on the loop's clock, as the mock does on sockets; and the clients in front."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from loadtest.gateway.world import AsyncioWorld, Piece
from sim.data.schema import REFUSED
from sim.engine.row_log import RequestLog
from sim.flow import serve
from sim.gateway.request import Record, request_prefixes
from sim.policy.admission import Ticket
from sim.provider.behaviour import Plan, ProviderState
from sim.provider.processor_sharing import SharedServer, advance, mark, next_in_s, reached


class SharedClock:
    """Wakes those who wait for work done by a shared server, on the loop's clock."""

    def __init__(self, server: SharedServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server, self.loop = server, loop
        self.timer: asyncio.TimerHandle | None = None

    def change(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        delay_s = next_in_s(self.server)
        self.timer = self.loop.call_at(self.loop.time() + delay_s, self.due) if delay_s < float("inf") else None

    def due(self) -> None:
        for ticket in reached(self.server, self.loop.time()):
            if not ticket.waker.done():
                ticket.waker.set_result(None)
        self.change()

    async def worked(self, work_s: float) -> None:
        ticket = Ticket()
        ticket.waker = self.loop.create_future()
        mark(self.server, work_s, ticket)
        self.change()
        try:
            await ticket.waker
        finally:
            ticket.left = True


class PlannedReply:
    def __init__(self, plan: Plan, started_s: float, loop: asyncio.AbstractEventLoop, clock: SharedClock | None) -> None:
        self.plan, self.started_s, self.loop, self.clock = plan, started_s, loop, clock
        self.started_work_s = 0.0 if clock is None else clock.server.work_s
        self.status, self.retry_after_s = plan.status, plan.retry_after_s
        self.input_tokens = 0 if plan.hang else plan.input_tokens
        self.ended = False

    @property
    def output_tokens(self) -> int:
        if self.ended:
            return self.plan.output_tokens
        if self.clock is None:
            return self.plan.produced(self.loop.time() - self.started_s)
        advance(self.clock.server, self.loop.time())
        return self.plan.produced(self.clock.server.work_s - self.started_work_s)

    def take(self, request) -> None:
        pass

    async def until(self, offset_s: float) -> None:
        if self.clock is not None:
            await self.clock.worked(self.started_work_s + offset_s - self.clock.server.work_s)
            return
        if offset_s == float("inf"):
            await self.loop.create_future()
        arrived = self.loop.create_future()
        timer = self.loop.call_at(self.started_s + offset_s, arrived.set_result, None)
        try:
            await arrived
        finally:
            timer.cancel()

    async def __aiter__(self):
        await self.until(self.plan.first_token_s)
        self.ended = self.plan.duration_s == self.plan.first_token_s
        yield Piece(1, b"")
        if not self.ended:
            await self.until(self.plan.duration_s)
            self.ended = True
            yield Piece(self.plan.output_tokens - 1, b"")
        if self.plan.final_status != 200:
            raise ConnectionResetError


class PlanUpstream:
    def __init__(self, provider: ProviderState) -> None:
        self.provider = provider
        self.clocks: dict[SharedServer, SharedClock] = {}

    @asynccontextmanager
    async def call(self, request, record, target, key):
        loop = asyncio.get_running_loop()
        tokens = record.context_tokens
        prefixes = request_prefixes(request, tokens) if self.provider.caches else ()
        plan = self.provider.begin(loop.time(), target.model, key, request.prompt, tokens, request.output_tokens, prefixes)
        clock = None
        if plan.shared is not None:
            clock = self.clocks.setdefault(plan.shared, SharedClock(plan.shared, loop))
        reply = PlannedReply(plan, loop.time(), loop, clock)
        try:
            if plan.status != 200:
                await reply.until(plan.first_token_s)
                if plan.status == REFUSED:
                    raise ConnectionResetError
            yield reply
        finally:
            self.provider.finish(plan, loop.time())
            if clock is not None:
                clock.change()


class Nowhere:
    """Delivery to a client that reads everything at once."""

    def __init__(self, streams: bool) -> None:
        self.streams = streams

    async def send(self, request, piece) -> None:
        pass


class ClockedWorld(AsyncioWorld):
    """On a virtual clock the gateway's own work takes time only if somebody says so: first come, first served, as in the model."""

    free_s = 0.0

    async def work(self, cpu_s: float) -> None:
        now_s = self.now_s
        self.free_s = max(now_s, self.free_s) + cpu_s
        await asyncio.sleep(self.free_s - now_s)


async def play(world: AsyncioWorld, requests, timeout_s: float | None):
    """Send every request at its time; the client leaves after ``timeout_s``. Returns rows like SimPyWorld."""
    served = RequestLog()

    async def life(request) -> None:
        record = Record(world.now_s)
        try:
            await serve(request, record, world.gateway, world)
        finally:
            served.add(request, record, world.now_s)

    tasks = []
    for request in requests:
        await asyncio.sleep(request.arrival_s - world.now_s)
        task = asyncio.ensure_future(life(request))
        if timeout_s is not None:
            task.get_loop().call_later(timeout_s, task.cancel)
        tasks.append(task)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, asyncio.CancelledError):
            raise result
    return served
