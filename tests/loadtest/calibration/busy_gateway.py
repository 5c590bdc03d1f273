"""A gateway of known work: one worker whose rounds cost CPU once for all the calls in them, and CPU for each of those; and it stalls.

``python -m tests.loadtest.calibration.busy_gateway PORT UPSTREAM ROUND_S OWN_S STALL_CALLS STALL_S``
"""

from __future__ import annotations

import asyncio
import sys
import time

from aiohttp import ClientSession, web


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def healthy(request: web.Request) -> web.Response:
    return web.Response()


class Gateway:
    def __init__(self, upstream: str, round_s: float, own_s: float, stall_calls: int, stall_s: float) -> None:
        self.upstream, self.round_s, self.own_s = upstream, round_s, own_s
        self.stall_calls, self.stall_s, self.calls = stall_calls, stall_s, 0
        self.waiting: list[asyncio.Future[None]] = []
        self.some = asyncio.Event()

    async def rounds(self) -> None:
        while True:
            await self.some.wait()
            self.some.clear()
            calls, self.waiting = self.waiting, []
            burn(self.round_s)
            for each in calls:
                burn(self.own_s)
                each.set_result(None)
                self.calls += 1
                if self.stall_calls and self.calls % self.stall_calls == 0:
                    burn(self.stall_s)
            await asyncio.sleep(0.0)

    async def handle(self, request: web.Request) -> web.Response:
        body, mine = await request.read(), asyncio.get_running_loop().create_future()
        self.waiting.append(mine)
        self.some.set()
        await mine
        headers = {"Authorization": request.headers["Authorization"], "Content-Type": "application/json"}
        async with self.session.post(f"{self.upstream}{request.path}", data=body, headers=headers) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

    async def serve(self, port: int) -> None:
        async with ClientSession() as self.session:
            app = web.Application()
            app.router.add_post("/v1/chat/completions", self.handle)
            app.router.add_get("/health", healthy)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            await self.rounds()


if __name__ == "__main__":
    port, upstream, round_s, own_s, stall_calls, stall_s = sys.argv[1:]
    asyncio.run(Gateway(upstream, float(round_s), float(own_s), int(stall_calls), float(stall_s)).serve(int(port)))
