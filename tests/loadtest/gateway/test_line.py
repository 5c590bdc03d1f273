"""Who is let in from the line, and who leaves it: priorities and patience over real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from loadtest.generator.request_bodies import BodyWriter, Call
from sim.stochastics.random_streams import Purpose, uniform
from tests.loadtest.gateway.fakes import gateway, scenario
from tests.loadtest.stub import DONE, ROLE, STOP, USAGE, WORD, stream

pytestmark = pytest.mark.sockets
TOKENS = {"input": {"kind": "constant", "value": 1}, "output": {"kind": "constant", "value": 1}}


def workload(**client: Any) -> dict[str, Any]:
    classes = [{"name": f"c{priority}", "share": 0.5, "priority": priority, "tokens": TOKENS} for priority in (0, 5)]
    return {"arrivals": {"kind": "poisson", "rate": "1/s"}, "duration": "1m", "requests": classes, "client": client}


def one_at_a_time(**client: Any) -> Any:
    return scenario({"queue": {"concurrency": 1, "waiting": 10}}, workload=workload(**client))


async def slow(request: web.Request) -> web.StreamResponse:
    return await stream(request, ROLE, 0.3, WORD, STOP, USAGE, DONE)


def test_a_higher_priority_is_let_in_first() -> None:
    async def run() -> None:
        async with gateway(one_at_a_time(), slow) as front:
            order: list[str] = []

            async def ask(name: str, after_s: float, priority: int) -> None:
                await asyncio.sleep(after_s)
                await front.ask(name, headers={"x-tenfold-priority": str(priority)})
                order.append(name)

            await asyncio.gather(ask("first", 0.0, 0), ask("low", 0.05, 0), ask("high", 0.1, 5), ask("beyond the scale", 0.15, 99))
            assert order == ["first", "high", "beyond the scale", "low"]

    asyncio.run(run())


def test_a_client_without_patience_leaves_the_line_when_the_model_says_so() -> None:
    async def run() -> None:
        impatient = one_at_a_time(patience={"kind": "uniform", "low": "0s", "high": "200ms"})
        async with gateway(impatient, slow) as front:
            first = asyncio.ensure_future(front.ask("first", headers={"x-tenfold-request": "1"}))
            await asyncio.sleep(0.02)
            began = asyncio.get_running_loop().time()
            status, headers, _ = await front.ask("second", headers={"x-tenfold-request": "2"})
            waited_s = asyncio.get_running_loop().time() - began
            assert (status, headers["x-tenfold-outcome"]) == (499, "abandoned")
            assert waited_s > 0.2 * uniform(impatient.seed, Purpose.PATIENCE, 2) - 0.001
            assert not first.done(), "it left before its turn came"
            assert (await first)[0] == 200
            admission = front.server.g.admission
            assert (admission.in_service, admission.waiting) == (0, 0)

    asyncio.run(run())


def test_the_load_generator_says_the_priority_of_a_class() -> None:
    writer = BodyWriter(one_at_a_time())
    headers = [writer.write(Call(0, kind, 0, 0, 0, 7, 1, 1, []))[1] for kind in (0, 1)]
    assert [each.get("x-tenfold-priority") for each in headers] == [None, "5"]


def test_one_whose_time_is_up_in_the_line_is_told_that_it_timed_out() -> None:
    async def run() -> None:
        limits = {"queue": {"concurrency": 1, "waiting": 10}, "timeout": {"total": "200ms"}}
        async with gateway(scenario(limits, workload=workload()), slow) as front:

            async def ask(name: str, after_s: float, priority: int) -> tuple[int, str]:
                await asyncio.sleep(after_s)
                status, headers, _ = await front.ask(name, headers={"x-tenfold-priority": str(priority)})
                return status, headers["x-tenfold-outcome"]

            answers = await asyncio.gather(ask("first", 0.0, 0), ask("overtaken", 0.05, 0), ask("urgent", 0.15, 5))
            assert answers == [(504, "timeout")] * 3
            asked = [body["messages"][0]["content"] for body in front.providers[0].asked]
            assert asked == ["first", "urgent"], "the slot went to the urgent one until the other's time was up"

    asyncio.run(run())
