"""Record what a real gateway does with a target that fails: ``python -m tests.loadtest.targets.record NAME …``.

The target's own configuration, in front of two providers of which ``p`` fails at the times of ``CASES``; calls come one by one at an even
pace. What is kept, in ``recorded/NAME.json``: when each call came, which providers it was sent to, and what its client was answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from loadtest.targets import find_target
from loadtest.targets.base import Place
from mockprovider.processes.supervisor import Crew
from tests.loadtest.targets.fitting import fitting

RECORDED = Path(__file__).with_name("recorded")
IN_TURN = "gateway.routing={kind: round-robin, models: [p/m, q/m]}"
AT_RANDOM = "gateway.routing={kind: weighted, weights: {p/m: 1, q/m: 1}}"
NEXT = "gateway.retry={attempts: 2, to: next, backoff: none}"
IN_ORDER = ("gateway.routing={kind: capability, default: [p/m, q/m]}", "gateway.fallback=[next-provider]")
FERROGW = "gateway.ejection={kind: ferrogw, failure_threshold: 3, timeout: 2s}"
FERROGW_SLOWLY = FERROGW.replace("}", ", success_threshold: 3, max_half_threshold: 2}")
THRICE = "gateway.retry={attempts: 3, backoff: {kind: full-jitter, base: 10ms, cap: 1s}}"
FOREVER = (0.0, 1e9)
# name -> (target, words of the scenario, seconds, seconds between calls, when p fails, its status)
CASES: dict[str, tuple[str, tuple[str, ...], float, float, tuple[float, float], int]] = {
    "haproxy": ("haproxy", (IN_TURN, "gateway.ejection={kind: haproxy, error_limit: 3, inter: 1s, rise: 2}"), 12, 0.05, (0, 9), 500),
    "nginx": ("nginx", (IN_TURN, NEXT, "gateway.ejection={kind: nginx, max_fails: 3, fail_timeout: 2s}"), 16, 0.05, (0, 11), 500),
    "nginx-one-attempt": ("nginx", (IN_TURN, "gateway.ejection={kind: nginx, max_fails: 3, fail_timeout: 2s}"), 4, 0.05, FOREVER, 500),
    "envoy": (
        "envoy",
        (IN_TURN, "gateway.ejection={kind: envoy, consecutive_5xx: 3, interval: 500ms, base_ejection_time: 1s, max_ejection_percent: 0.5}"),
        26, 0.05, (0, 12), 500,
    ),
    "envoy-at-most": ("envoy", (IN_TURN, "gateway.ejection={kind: envoy, consecutive_5xx: 3, interval: 500ms}"), 4, 0.05, FOREVER, 500),
    "ferrogw": ("ferrogw", (*IN_ORDER, FERROGW), 12, 0.05, (0, 8), 500),
    "ferrogw-lone": ("ferrogw", (FERROGW,), 12, 0.05, (0, 8), 500),
    "ferrogw-slowly": ("ferrogw", (*IN_ORDER, FERROGW_SLOWLY), 12, 0.05, (0, 8), 500),
    "ferrogw-weighted": ("ferrogw", (AT_RANDOM, IN_ORDER[1]), 3, 0.05, FOREVER, 500),
    "ferrogw-429": ("ferrogw", (*IN_ORDER, FERROGW), 18, 0.1, (0, 11), 429),
    "ferrogw-429-retried": ("ferrogw", (*IN_ORDER, FERROGW, THRICE), 12, 0.1, FOREVER, 429),
    "ferrogw-404": ("ferrogw", (FERROGW,), 4, 0.05, FOREVER, 404),
    "litellm": ("litellm", (AT_RANDOM, "gateway.ejection={kind: litellm, cooldown_time: 2s}"), 15, 0.1, (0, 8), 500),
    "litellm-429": ("litellm", (AT_RANDOM, "gateway.ejection={kind: litellm, cooldown_time: 2s}"), 9, 0.1, (0, 5), 429),
    "litellm-allowed": (
        "litellm", (AT_RANDOM, "gateway.ejection={kind: litellm, cooldown_time: 2s, allowed_fails: 4}"), 12, 0.1, (0, 8), 500,
    ),
}  # fmt: skip
ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}  # fmt: skip


async def record(name: str) -> dict[str, Any]:
    target, words, seconds, pace_s, (fails_from_s, fails_to_s), status = CASES[name]
    hits: dict[str, list[int]] = {"p": [], "q": []}
    t0 = [float("inf")]

    def provider(which: str) -> Any:
        async def answer(request: web.Request) -> web.Response:
            body = await request.json()
            hits[which].append(int(body["messages"][0]["content"]))
            at_s = time.monotonic() - t0[0]
            if which == "p" and fails_from_s <= at_s < fails_to_s:
                return web.json_response({"error": {"message": "fails"}}, status=status)
            return web.json_response(ANSWER)

        return answer

    runners, upstreams = [], {}
    for which in hits:
        app = web.Application()
        app.router.add_post("/{path:.*}", provider(which))
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runners.append(runner)
        upstreams[which] = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    calls: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder, Crew(Path(folder)) as crew:
        gateway, loaded = find_target(target), fitting(Path(folder), *words)
        assert not gateway.cannot(loaded), gateway.cannot(loaded)
        running = await asyncio.to_thread(gateway.start, Place(loaded, Path(folder) / "fitting.yaml", upstreams, crew))
        headers = {} if running.client.key is None else {"Authorization": f"Bearer {running.client.key}"}
        async with ClientSession(headers=headers) as session:
            t0[0] = time.monotonic()
            for number in range(int(seconds / pace_s)):
                await asyncio.sleep(max(0.0, number * pace_s - (time.monotonic() - t0[0])))
                at_s = time.monotonic() - t0[0]
                body = {"model": "m" if target != "litellm" else "default", "messages": [{"role": "user", "content": str(number)}]}
                async with session.post(f"{running.url}/v1/chat/completions", json=body) as said:
                    await said.read()
                    calls.append((round(at_s, 4), said.status))
    for runner in runners:
        await runner.cleanup()
    return {
        "command": f"python -m tests.loadtest.targets.record {name}",
        "calls": [[at_s, status, [which for which in hits for _ in range(hits[which].count(number))]] for number, (at_s, status)
                  in enumerate(calls)],
    }  # fmt: skip


def main(names: list[str]) -> None:
    for name in names or CASES:
        text = json.dumps(asyncio.run(record(name)))
        (RECORDED / f"{name}.json").write_text(text.replace("], [", "],\n["), encoding="utf-8")
        print(name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
