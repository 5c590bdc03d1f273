"""Attempts that play the simulated providers' plans on the loop's clock, as the mock does on sockets."""

from __future__ import annotations

import asyncio
from copy import copy
from dataclasses import fields
from math import inf, isnan
from operator import attrgetter
from typing import Any

import numpy as np

from loadtest.gateway.asyncio_driver import AsyncioDriver
from sim.data.statuses import STREAMING
from sim.engine.requests import RequestMaker
from sim.engine.row_log import RowLog
from sim.gateway import chain
from sim.gateway.rows import ATTEMPT_FIELDS, ATTEMPTS, REQUEST_FIELDS, REQUESTS
from sim.kernel.containers import NOBODY, Line, take_first
from sim.provider import simulated
from sim.provider.build import build
from sim.provider.processor_sharing import rearm, server_due
from sim.workload.schedule import build_schedule

NAMES = [field.name for field in fields(chain.Request)]

FACTS = ("billed_tokens", "produced_tokens", "attempt_cached", "retry_after_s", "attempt_refused_by", "occurrence")


class PlanUpstream:
    """The providers of a scenario. They have records of the calls of their own: the gateway alone says when an attempt is cut."""

    def __init__(self, scenario: Any, seed: int, history: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.calls: dict[int, Any] = {}
        self.ready = Line()
        self.p = build(scenario, seed, self.calls, self.ready, history)
        self.attempts: dict[int, PlannedAttempt] = {}
        self.timers: dict[int, asyncio.TimerHandle] = {}

    def begin(self, driver: AsyncioDriver, c: Any) -> PlannedAttempt:
        plan = self.calls[c.slot] = copy(c)
        plan.first_by_s = plan.end_by_s = inf
        attempt = self.attempts[c.slot] = PlannedAttempt(self, driver, c, plan)
        simulated.perform(self.p, plan, driver.now_s(), shows=True)
        self.set_timers()
        return attempt

    def set_timers(self) -> None:
        """Of the shared servers whose load has changed."""
        while self.p.rearmed.length:
            number = rearm(self.p)
            if number in self.timers:
                self.timers.pop(number).cancel()
            due_s = self.p.servers[number].due_s
            if due_s < inf:
                self.timers[number] = self.loop.call_at(due_s, self.due, number)

    def due(self, number: int) -> None:
        server_due(self.p, number, self.loop.time())
        while self.ready.length:
            slot = take_first(self.calls, self.ready)
            self.calls[slot].is_ready = False
            self.attempts[slot].wake()
        self.set_timers()


class PlannedAttempt:
    def __init__(self, upstream: PlanUpstream, driver: AsyncioDriver, c: Any, plan: Any) -> None:
        self.upstream, self.driver, self.c, self.plan = upstream, driver, c, plan
        self.waker: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self.waker is not None and not self.waker.done():
            self.waker.set_result(None)

    async def run(self) -> int:
        upstream, plan, loop, shown = self.upstream, self.plan, self.upstream.loop, False
        while True:
            self.waker = loop.create_future()
            timer = loop.call_at(plan.until_s, self.wake) if plan.until_s < inf else None
            try:
                await self.waker
            finally:
                if timer is not None:
                    timer.cancel()
            if not simulated.go_on(upstream.p, plan, loop.time()):
                break
            upstream.set_timers()
            if plan.status == STREAMING:
                shown = True
                self.driver.show(self.c)
        upstream.set_timers()
        self.tell()
        if not shown and not isnan(plan.attempt_first_s):
            self.driver.show(self.c)
        return int(plan.status)

    def cut(self) -> None:
        simulated.cut(self.upstream.p, self.plan, self.driver.now_s())
        self.upstream.set_timers()
        self.tell()

    def tell(self) -> None:
        for name in FACTS:
            setattr(self.c, name, getattr(self.plan, name))
        assert self.plan.mark_place == NOBODY


async def play(scenario: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """The scenario's own workload through the gateway in real time: (gateway, rows of requests, rows of attempts). Clients leave when their
    time is up.
    """
    schedule = build_schedule(scenario)
    g = chain.build(scenario, scenario.seed, schedule.history_tokens)
    upstream = PlanUpstream(scenario, scenario.seed, schedule.history_tokens)
    requests, attempts = RowLog(REQUESTS), RowLog(ATTEMPTS)
    take_request, take_attempt = attrgetter(*REQUEST_FIELDS), attrgetter(*ATTEMPT_FIELDS)

    def call_ended(c: Any) -> None:
        requests.rows += requests.pack(*take_request(c))

    def attempt_ended(c: Any) -> None:
        attempts.rows += attempts.pack(*take_attempt(c))

    loop = asyncio.get_running_loop()
    driver = AsyncioDriver(g, upstream.begin, call_ended, attempt_ended, loop.time)
    tasks = []
    for values in RequestMaker(scenario, scenario.seed).in_turn(schedule):
        request = dict(zip(NAMES, values, strict=True))
        arrival_s, leaves_s = request.pop("arrival_s"), request.pop("leaves_s")
        await asyncio.sleep(arrival_s - loop.time())
        task = asyncio.ensure_future(driver.serve(None, **request))
        if leaves_s < inf:
            loop.call_at(leaves_s, task.cancel)
        tasks.append(task)
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception) and not isinstance(result, asyncio.CancelledError):
            raise result
    while len(g.free) < len(g.calls):  # jobs, which go on without their clients
        await asyncio.sleep(1.0)
    return g, in_order(requests.table(), "request"), attempts.table()


def in_order(rows: np.ndarray, name: str) -> np.ndarray:
    return rows[np.argsort(rows[name], kind="stable")]
