"""Real connections of the reference gateway: as many, as long-lived and as slow to set up as the scenario says."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from tests.loadtest.gateway.fakes import Front, gateway, scenario
from tests.loadtest.stub import DONE, ROLE, STOP, WORD, stream

pytestmark = pytest.mark.sockets


class Counted:
    """A provider that answers within 0.2 s, and knows over which connections it was asked."""

    def __init__(self) -> None:
        self.over: list[int] = []
        self.under_way = self.most = 0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.over.append(id(request.transport))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await stream(request, ROLE, WORD, 0.2, WORD, STOP, DONE)
        finally:
            self.under_way -= 1


async def ask(front: Front, times: int) -> list[tuple[int, str]]:
    """So many at once: (status, who refused)."""
    answers = await asyncio.gather(*(front.ask(f"question {number}", stream=True) for number in range(times)))
    return sorted((status, headers.get("x-tenfold-refused-by", "")) for status, headers, _ in answers)


def test_calls_share_so_many_connections_and_wait_for_them() -> None:
    async def run() -> None:
        provider = Counted()
        async with gateway(scenario({"connections": {"max": 2}}), provider) as front:
            assert await ask(front, 5) == [(200, "")] * 5
            rows = front.server.log.request_rows()
            assert (provider.most, len(set(provider.over))) == (2, 2)
            assert rows["new_connections"].sum() == 2
            assert sorted(rows["pool_wait_s"] > 0.1) == [False, False, True, True, True]

    asyncio.run(run())


def test_who_waits_for_too_long_is_told_that_the_pool_refused() -> None:
    async def run() -> None:
        provider = Counted()
        async with gateway(scenario({"connections": {"max": 1, "wait": "100ms"}}), provider) as front:
            assert await ask(front, 2) == [(200, ""), (503, "connection pool")]
            assert len(provider.over) == 1

    asyncio.run(run())


@pytest.mark.parametrize(("words", "connections"), [({}, 2), ({"keep": 1}, 3), ({"keep": 0}, 4), ({"idle": "50ms"}, 4)])
def test_idle_connections_are_kept_as_the_scenario_says(words: dict[str, object], connections: int) -> None:
    async def run() -> None:
        provider = Counted()
        async with gateway(scenario({"connections": words}), provider) as front:
            await ask(front, 2)
            await asyncio.sleep(0.1)
            await ask(front, 2)
            assert front.server.log.request_rows()["new_connections"].sum() == connections

    asyncio.run(run())


def test_to_set_one_up_takes_time_that_is_not_the_attempts() -> None:
    async def run() -> None:
        async with gateway(scenario({"connections": {"setup": "150ms"}, "timeout": {"first_token": "140ms"}}), Counted()) as front:
            for _ in range(2):
                await ask(front, 1)
            first, second = front.server.log.request_rows()
            assert (first["outcome"], second["outcome"]) == (0, 0)
            assert (first["connect_s"], second["connect_s"]) == (pytest.approx(0.15, abs=0.05), 0.0)
            assert first["latency_s"] - second["latency_s"] == pytest.approx(0.15, abs=0.05)
            assert first["first_token_s"] < 0.1

    asyncio.run(run())
