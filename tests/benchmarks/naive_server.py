"""What most people write first: an aiohttp server that sleeps before each token. The yardstick of the lateness benchmark."""

from __future__ import annotations

import asyncio
import json
import sys

from aiohttp import web


async def chat(request: web.Request) -> web.StreamResponse:
    await request.json()
    ttft_s, per_token_s, tokens = request.app["shape"]
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    await asyncio.sleep(ttft_s)
    for k in range(tokens):
        if k:
            await asyncio.sleep(per_token_s)
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                 "choices": [{"index": 0, "delta": {"content": "word"}, "finish_reason": None}]}  # fmt: skip
        await response.write(f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


async def main(ttft_s: float, per_token_s: float, tokens: int) -> None:
    app = web.Application()
    app["shape"] = (ttft_s, per_token_s, tokens)
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
